// Genconstants writes constants.go from the header p2pnet.h: `go generate`, in the folder of package p2pnet. With -check
// it compares instead, and fails if the file has other constants.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"regexp"
	"strings"
)

// kind is a C enumeration: its Go type, what C writes before its constants and what Go does.
type kind struct{ goType, cPrefix, goPrefix string }

// Every enumeration of the header. One that is missing here stops the program.
var kinds = map[string]kind{
	"p2p_result":         {"Code", "P2P_ERR_", "Err"},
	"p2p_kind":           {"Kind", "P2P_EVENT_", "Event"},
	"p2p_node_type":      {"NodeType", "P2P_NODE_", "Node"},
	"p2p_nat":            {"NAT", "P2P_NAT_", "NAT"},
	"p2p_fwd":            {"Forwarding", "P2P_FWD_", "Forwarding"},
	"p2p_mapping":        {"Mapping", "P2P_MAPPING_", "Mapping"},
	"p2p_allocation":     {"Allocation", "P2P_ALLOCATION_", "Allocation"},
	"p2p_unsolicited":    {"Unsolicited", "P2P_UNSOLICITED_", "Unsolicited"},
	"p2p_via":            {"Via", "P2P_VIA_", "Via"},
	"p2p_path":           {"Path", "P2P_PATH_", "Path"},
	"p2p_candidate_kind": {"CandidateKind", "P2P_CANDIDATE_", "Candidate"},
	"p2p_net_type":       {"NetType", "P2P_NET_", "Net"},
	"p2p_dialect":        {"Dialect", "P2P_DIALECT_", "Dialect"},
	"p2p_framing":        {"Framing", "P2P_FRAMING_", "Framing"},
	"p2p_log":            {"LogLevel", "P2P_LOG_", "Log"},
	"p2p_opt":            {"Opt", "P2P_OPT_", "Opt"},
	"p2p_server":         {"ServerKind", "P2P_SERVER_", "Server"},
	"p2p_mainline":       {"Mainline", "P2P_MAINLINE_", "Mainline"},
	"p2p_classic":        {"ClassicFlags", "P2P_CLASSIC_", "Classic"},
}

// Words that Go writes in capitals, or as their owners do.
var words = map[string]string{
	"IO": "IO", "DHT": "DHT", "NTP": "NTP", "NAT": "NAT", "WAN": "WAN", "LAN": "LAN", "IP": "IP", "MS": "MS", "TTL": "TTL",
	"UPNP": "UPnP", "PCP": "PCP", "NATPMP": "NATPMP", "P2P": "P2P", "FD": "FD", "UNL": "UNL",
}

var (
	enumPattern  = regexp.MustCompile(`(?s)((?:/\*\*(?:[^*]|\*[^/])*\*/\s*)?)enum (p2p_\w+)\s*(?:#[^{]*?)?\{(.*?)\n\};`)
	constPattern = regexp.MustCompile(`(?s)((?:/\*\*(?:[^*]|\*[^/])*\*/\s*)?)(P2P_\w+) = (-?\d+),`)
	macroPattern = regexp.MustCompile(`(?m)^#define (P2P_VERSION_(?:MAJOR|MINOR|PATCH)) (\d+)$`)
	cName        = regexp.MustCompile(`\bP2P_[A-Z0-9_]+`)
)

func camel(upper string) string {
	var out strings.Builder
	for _, word := range strings.Split(upper, "_") {
		if known, ok := words[word]; ok {
			out.WriteString(known)
		} else if word != "" {
			out.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return out.String()
}

func goName(k kind, c string) string {
	if c == "P2P_OK" {
		return "OK"
	}
	if !strings.HasPrefix(c, k.cPrefix) {
		fail("%s does not begin with %s", c, k.cPrefix)
	}
	return k.goPrefix + camel(strings.TrimPrefix(c, k.cPrefix))
}

// comment makes a C comment a Go one, its constants' names those of Go.
func comment(c, name, indent string, names map[string]string) string {
	c = strings.TrimSpace(c)
	c = strings.TrimSuffix(strings.TrimPrefix(c, "/**"), "*/")
	var lines []string
	for _, line := range strings.Split(c, "\n") {
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "*"), " "))
	}
	text := strings.TrimSpace(strings.Join(lines, "\n"))
	text = cName.ReplaceAllStringFunc(text, func(c string) string {
		if known, ok := names[c]; ok {
			return known
		}
		return c
	})
	if text == "" {
		text = "(not documented)"
	}
	if name != "" {
		text = name + ": " + text
	}
	return indent + "// " + strings.ReplaceAll(text, "\n", "\n"+indent+"// ") + "\n"
}

func generate(header string) []byte {
	names := map[string]string{}
	enums := enumPattern.FindAllStringSubmatch(header, -1)
	if len(enums) != strings.Count(header, "\nenum p2p_") {
		fail("%d enumerations were understood, not all of them", len(enums))
	}
	found := 0
	for _, enum := range enums {
		k, ok := kinds[enum[2]]
		if !ok {
			fail("enum %s is new: give it a Go type in internal/genconstants", enum[2])
		}
		for _, c := range constPattern.FindAllStringSubmatch(enum[3], -1) {
			names[c[2]] = goName(k, c[2])
			found++
		}
	}
	if found != len(names) || found != strings.Count(header, "\n  P2P_") {
		fail("%d constants were understood, not all of them", found)
	}
	var out, tail bytes.Buffer
	out.WriteString("// Code generated from p2pnet.h by internal/genconstants; DO NOT EDIT.\n\npackage p2pnet\n\nimport \"fmt\"\n")
	out.WriteString("\n// The version of the header that this package was written for; Version tells the library's.\nconst (\n")
	for _, macro := range macroPattern.FindAllStringSubmatch(header, -1) {
		fmt.Fprintf(&out, "\tHeader%s = %s\n", camel(strings.TrimPrefix(macro[1], "P2P_")), macro[2])
	}
	out.WriteString(")\n")
	for _, enum := range enums {
		k := kinds[enum[2]]
		fmt.Fprintf(&out, "\n%stype %s int32\n\nconst (\n", comment(enum[1], k.goType, "", names), k.goType)
		fmt.Fprintf(&tail, "\n// String is the constant's name, or the number if it has none here.\nfunc (v %s) String() string {\n\tswitch v {\n", k.goType)
		for _, c := range constPattern.FindAllStringSubmatch(enum[3], -1) {
			out.WriteString(comment(c[1], "", "\t", names))
			fmt.Fprintf(&out, "\t%s %s = %s\n", names[c[2]], k.goType, c[3])
			fmt.Fprintf(&tail, "\tcase %s:\n\t\treturn %q\n", names[c[2]], names[c[2]])
		}
		out.WriteString(")\n")
		fmt.Fprintf(&tail, "\t}\n\treturn fmt.Sprintf(\"%s(%%d)\", int32(v))\n}\n", k.goType)
	}
	out.Write(tail.Bytes())
	out.WriteString("\n// isTime has the options that are times in milliseconds.\nvar isTime = map[Opt]bool{\n")
	for _, c := range constPattern.FindAllStringSubmatch(header, -1) {
		if strings.HasPrefix(c[2], "P2P_OPT_") && strings.HasSuffix(c[2], "_MS") {
			fmt.Fprintf(&out, "\t%s: true,\n", names[c[2]])
		}
	}
	out.WriteString("}\n")
	formatted, err := format.Source(out.Bytes())
	if err != nil {
		fail("what came out is no Go: %v", err)
	}
	return formatted
}

func fail(text string, args ...any) {
	fmt.Fprintf(os.Stderr, "genconstants: "+text+"\n", args...)
	os.Exit(1)
}

func main() {
	header := flag.String("header", "../../include/p2pnet.h", "the header")
	file := flag.String("o", "constants.go", "what to write")
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	text, err := os.ReadFile(*header)
	if err != nil {
		fail("%v", err)
	}
	made := generate(string(text))
	if !*check {
		if err := os.WriteFile(*file, made, 0o666); err != nil {
			fail("%v", err)
		}
		return
	}
	have, err := os.ReadFile(*file)
	if err != nil {
		fail("%v", err)
	}
	if code(have) != code(made) {
		fail("the constants of %s are not those of %s: run go generate", *file, *header)
	}
}

// code is a file without its comments: a better sentence in the header is no reason to fail.
func code(text []byte) string {
	var out strings.Builder
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "//") {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
