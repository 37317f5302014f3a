#!/usr/bin/env python3
"""Writes what Sources/P2PNet has of include/p2pnet.h, or with --check says whether it is up to date.

  make_constants.py            writes Constants.swift and OptionNames.swift
  make_constants.py --check    exits 1 if one of them would change

The comments are those of the header, with Swift's names in them.
"""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include" / "p2pnet.h"
SOURCES = HERE / "Sources" / "P2PNet"
WIDTH = 120

# The enum in C: its name here, what the names of its values begin with in C, and what it is: one of them, or a set of bits.
ENUMS = {
    "p2p_result": ("P2PError.Code", ("P2P_ERR_", "P2P_"), "one"),
    "p2p_kind": ("EventKind", ("P2P_EVENT_",), "one"),
    "p2p_node_type": ("NodeType", ("P2P_NODE_",), "one"),
    "p2p_nat": ("NAT", ("P2P_NAT_",), "one"),
    "p2p_fwd": ("Forwarding", ("P2P_FWD_",), "set"),
    "p2p_mapping": ("NATMapping", ("P2P_MAPPING_",), "one"),
    "p2p_allocation": ("NATAllocation", ("P2P_ALLOCATION_",), "one"),
    "p2p_unsolicited": ("Unsolicited", ("P2P_UNSOLICITED_",), "one"),
    "p2p_via": ("Via", ("P2P_VIA_",), "one"),
    "p2p_path": ("LinkPath", ("P2P_PATH_",), "one"),
    "p2p_candidate_kind": ("CandidateKind", ("P2P_CANDIDATE_",), "one"),
    "p2p_net_type": ("NetType", ("P2P_NET_",), "one"),
    "p2p_dialect": ("Dialect", ("P2P_DIALECT_",), "one"),
    "p2p_framing": ("Framing", ("P2P_FRAMING_",), "one"),
    "p2p_log": ("LogLevel", ("P2P_LOG_",), "one"),
    "p2p_opt": (None, ("P2P_OPT_",), "options"),
    "p2p_server": ("ServerKind", ("P2P_SERVER_",), "one"),
    "p2p_mainline": ("MainlineShare", ("P2P_MAINLINE_",), "set"),
    "p2p_classic": ("ClassicFlags", ("P2P_CLASSIC_",), "set"),
}
# `.none` would be that of Optional where one is expected, `self` and `protocol` are words of Swift.
NAMES = {"P2P_NAT_NONE": "noNAT", "P2P_CANDIDATE_NONE": "noCandidate", "P2P_ERR_SELF": "ownAddress",
         "P2P_ERR_PROTOCOL": "brokenProtocol"}
# Words that keep their capitals when they are not the first.
CAPITALS = {"ip": "IP", "nat": "NAT", "dht": "DHT", "wan": "WAN", "fd": "FD", "ttl": "TTL", "unl": "UNL", "p2p": "P2P"}
# What an option is, other than a number, a time (its name ends with _MS) or a text (from 1001).
TYPED = {
    "P2P_OPT_NODE_TYPE": "NodeType", "P2P_OPT_NET_TYPE": "NetType", "P2P_OPT_NAT_TYPE": "NAT", "P2P_OPT_FORWARDING": "Forwarding",
    "P2P_OPT_FRAMING": "Framing", "P2P_OPT_LOG_LEVEL": "LogLevel", "P2P_OPT_DIALECT": "Dialect", "P2P_OPT_MAINLINE": "MainlineShare",
}
SWITCHES = {"P2P_OPT_BOOTSTRAP", "P2P_OPT_DEDUP", "P2P_OPT_ADVERTISE", "P2P_OPT_SIMULTANEOUS", "P2P_OPT_DUPLICATE_IP",
            "P2P_OPT_NETWORK_MONITOR", "P2P_OPT_LOCAL_PEERS", "P2P_OPT_RELAY"}
MADE = "// Made from include/p2pnet.h by make_constants.py: change the header, then run that.\n"


def camel(upper):
    words = upper.lower().split("_")
    return words[0] + "".join(CAPITALS.get(word, word.capitalize()) for word in words[1:])


def name_of(c_name, prefixes):
    if c_name in NAMES:
        return NAMES[c_name]
    if c_name.startswith("P2P_OPT_"):
        c_name = re.sub(r"_MS$", "", c_name)
    return camel(next(c_name[len(p):] for p in prefixes if c_name.startswith(p)))


def comment(text):
    """The text of a /** ... */, one line."""
    return " ".join(line.strip().lstrip("*").strip() for line in text.strip("/* \n").splitlines()).strip()


def read(header):
    """[(C name, what it is, [(constant, value, what it is)])]; stops if not all of them were understood."""
    pattern = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\nenum (p2p_\w+)\n(?:#[^\n]*\n[^\n]*\n#[^\n]*\n)? \{\n(.*?)\n\};", re.S)
    member = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\n  (P2P_\w+) = (-?\d+),", re.S)
    enums = [(name, comment(what), [(n, int(v), comment(doc)) for doc, n, v in member.findall(body)])
             for what, name, body in pattern.findall(header)]
    if {name for name, *_ in enums} != set(ENUMS):
        raise SystemExit(f"not the same enums here and in the header: {sorted({n for n, *_ in enums} ^ set(ENUMS))}")
    if sum(len(members) for *_, members in enums) != len(re.findall(r"^  P2P_\w+ = ", header, re.M)):
        raise SystemExit("not all constants of the header were understood")
    return enums


def swift_names(enums):
    """What to call a C constant in a comment."""
    names = {}
    for c_enum, _, members in enums:
        kind, prefixes, _ = ENUMS[c_enum]
        for c_name, *_ in members:
            short = name_of(c_name, prefixes)
            names[c_name] = f"NetOptions.{short}" if kind is None else f"{kind}.{short}"
    return names


def documented(text, names, indent):
    """A comment of Swift's, in lines that are not too long."""
    def swift(match):
        return f"`{names[match[0]]}`" if match[0] in names else match[0]
    words = re.sub(r"\bP2P_[A-Z0-9_]+\b", swift, text).split()
    lines, line = [], ""
    for word in words:
        if line and len(indent) + 4 + len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "".join(f"{indent}/// {each}\n" for each in [*lines, line])


def constants(header, enums):
    names = swift_names(enums)
    version = ".".join(re.search(rf"#define P2P_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH"))
    out = [MADE, "\n/// The version of the header that this package was made for; ``libraryVersion`` is that of the library.\n",
           f'public let headerVersion = "{version}"\n']
    for c_enum, what, members in enums:
        kind, prefixes, form = ENUMS[c_enum]
        if kind is None:
            continue
        outer, _, inner = kind.rpartition(".")
        indent = "    " if outer else ""
        out.append("\n" + (f"extension {outer} {{\n" if outer else ""))
        out.append(documented(what, names, indent))
        protocol = "OptionSet, Hashable, Sendable" if form == "set" else "RawRepresentable, Hashable, Sendable, CustomStringConvertible"
        out.append(f"{indent}public struct {inner}: {protocol} {{\n{indent}    public let rawValue: Int32\n")
        out.append(f"{indent}    public init(rawValue: Int32) {{ self.rawValue = rawValue }}\n")
        for c_name, value, doc in members:
            if form == "set" and value == 0:
                continue  # []
            out.append("\n" + documented(doc, names, f"{indent}    "))
            out.append(f"{indent}    public static let {name_of(c_name, prefixes)} = {inner}(rawValue: {value})\n")
        if form == "one":
            out.append(f"\n{indent}    /// The constant's name, or the number if it has none here.\n")
            out.append(f"{indent}    public var description: String {{\n{indent}        switch rawValue {{\n")
            for c_name, value, _ in members:
                out.append(f'{indent}        case {value}: return "{name_of(c_name, prefixes)}"\n')
            out.append(f'{indent}        default: return "{inner}(\\(rawValue))"\n{indent}        }}\n{indent}    }}\n')
        out.append(f"{indent}}}\n" + ("}\n" if outer else ""))
    return "".join(out)


def options(enums):
    names = swift_names(enums)
    members = next(members for c_enum, _, members in enums if c_enum == "p2p_opt")
    known = {c_name for c_name, *_ in members}
    if not known >= set(TYPED) | SWITCHES:
        raise SystemExit(f"options that the header does not have: {sorted((set(TYPED) | SWITCHES) - known)}")
    out = [MADE, "\nextension NetOptions {\n"]
    for at, (c_name, value, doc) in enumerate(members):
        kind, label = "Int", "number"
        if value > 1000:
            kind, label = "String", "text"
        elif c_name in TYPED:
            kind, label = TYPED[c_name], "constant"
        elif c_name in SWITCHES:
            kind, label = "Bool", "switch"
        elif c_name.endswith("_MS"):
            kind, label = "Duration", "milliseconds"
        out.append("\n" if at else "")
        out.append(documented(doc, names, "    "))
        out.append(f"    public var {name_of(c_name, ('P2P_OPT_',))}: {kind}? {{\n")
        out.append(f"        get {{ self[{label}: {value}] }}\n        set {{ self[{label}: {value}] = newValue }}\n    }}\n")
    out.append("}\n\n/// The names of options, for failures.\nlet optionNames: [Int32: String] = [\n")
    out += [f'    {value}: "{name_of(c_name, ("P2P_OPT_",))}",\n' for c_name, value, _ in members]
    return "".join([*out, "]\n"])


def main():
    header = HEADER.read_text(encoding="utf-8")
    enums = read(header)
    made = {"Constants.swift": constants(header, enums), "OptionNames.swift": options(enums)}
    late = [name for name, text in made.items()
            if not (SOURCES / name).exists() or (SOURCES / name).read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        for name in late:
            print(f"{SOURCES / name} is out of date: run {Path(__file__).name}", file=sys.stderr)
        return 1 if late else 0
    for name in late:
        (SOURCES / name).write_text(made[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
