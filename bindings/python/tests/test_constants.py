"""What is written here of the C interface, against include/p2pnet.h: numbers, structs, functions, versions."""
import ctypes
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import p2pnet
from p2pnet import _native, constants, options
from support import Case, ROOT

HEADER = ROOT / "include" / "p2pnet.h"
# Where a name in C stands in Python: its beginning, and the class.
CLASSES = {
    "P2P_ERR_": "Result", "P2P_EVENT_": "EventKind", "P2P_NODE_": "NodeType", "P2P_NAT_": "Nat", "P2P_FWD_": "Fwd",
    "P2P_MAPPING_": "Mapping", "P2P_ALLOCATION_": "Allocation", "P2P_UNSOLICITED_": "Unsolicited", "P2P_VIA_": "Via",
    "P2P_PATH_": "Path", "P2P_CANDIDATE_": "CandidateKind", "P2P_NET_": "NetType", "P2P_DIALECT_": "Dialect",
    "P2P_FRAMING_": "Framing", "P2P_LOG_": "Log", "P2P_OPT_": "Opt", "P2P_SERVER_": "Server",
    "P2P_MAINLINE_": "Mainline", "P2P_CLASSIC_": "Classic", "P2P_": "Result",
}
STRUCTS = {"p2p_error": _native.CError, "p2p_net_info": _native.CNetInfo, "p2p_stats": _native.CStats,
           "p2p_conn_info": _native.CConnInfo, "p2p_candidate": _native.CCandidate, "p2p_unl_info": _native.CUnlInfo,
           "p2p_event": _native.CEvent, "p2p_dht": _native.CDht}


def header():
    return re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.S)


class Constants(Case):
    def test_every_number_of_the_header(self):
        members = re.findall(r"^\s+(P2P_\w+) = (-?\d+),", header(), re.M)
        self.assertGreater(len(members), 150)
        for name, value in members:
            prefix = next(p for p in CLASSES if name.startswith(p))
            kind = getattr(p2pnet, CLASSES[prefix])
            self.assertEqual(int(kind[name[len(prefix):]]), int(value), name)

    def test_nothing_that_the_header_does_not_have(self):
        members = {name for name, _ in re.findall(r"^\s+(P2P_\w+) = (-?\d+),", header(), re.M)}
        ours = 0
        for name in dict.fromkeys(CLASSES.values()):
            ours += len(getattr(p2pnet, name).__members__)
        self.assertEqual(ours, len(members))

    def test_numbers_that_are_defined(self):
        for name in ("ADDR_LEN", "CON_ID_LEN", "UNL_CANDIDATES"):
            defined = re.search(rf"#define P2P_{name} (\d+)", header())
            self.assertEqual(getattr(constants, name), int(defined[1]))

    def test_constants_py_is_what_make_constants_py_writes(self):
        script = ROOT / "bindings" / "python" / "make_constants.py"
        self.assertEqual(subprocess.run([sys.executable, "-B", script, "--check"], check=False).returncode, 0)

    def test_versions_move_together(self):
        cargo = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]
        self.assertEqual({p2pnet.__version__, p2pnet.library_version}, {cargo})

    def test_every_option_is_a_keyword(self):
        self.assertEqual({o.name.lower() for o in p2pnet.Opt} - set(options.names()), set())
        for option in p2pnet.Opt:
            self.assertEqual(option < options.FIRST_TEXT, option < 1000, option)


class Functions(Case):
    def test_every_function_of_the_header_and_no_other(self):
        # The declarations behind the macro's own definition.
        declared = dict(re.findall(r"P2P_API\s[^;(]*?\b(p2p_\w+)\(([^)]*)\);", header()))
        self.assertEqual(set(_native.PROTOTYPES), set(declared))
        for name, arguments in declared.items():
            count = 0 if arguments.strip() == "void" else arguments.count(",") + 1
            self.assertEqual(len(_native.PROTOTYPES[name][1]), count, name)

    def test_sizes_of_numbers(self):
        sizes = {"int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8, "p2p_result": 4, "p2p_request": 8, "p2p_conn": 8,
                 "p2p_opt": 4, "p2p_server": 4}
        for kind, name, arguments in re.findall(r"P2P_API\s+([^;(]*?)\b(p2p_\w+)\(([^)]*)\);", header()):
            for at, argument in enumerate(a for a in arguments.split(",") if a.strip() != "void"):
                words = argument.replace("const ", "").split()
                if len(words) == 2 and words[0] in sizes and not words[1].startswith("*"):
                    self.assertEqual(ctypes.sizeof(_native.PROTOTYPES[name][1][at]), sizes[words[0]], (name, argument))
            if kind.strip() in sizes:
                self.assertEqual(ctypes.sizeof(_native.PROTOTYPES[name][0]), sizes[kind.strip()], name)


class Structs(Case):
    def test_fields_in_their_order(self):
        for name, kind in STRUCTS.items():
            body = re.search(rf"typedef struct {name} \{{(.*?)\}} {name};", header(), re.S)[1]
            fields = [re.sub(r"\[.*\]|\*", "", line.split()[-1]) for line in body.split(";") if line.strip()]
            self.assertEqual([f[0] for f in kind._fields_], fields, name)

    def test_the_format_of_events(self):
        self.assertEqual(struct.calcsize(_native.EVENT_FORMAT), ctypes.sizeof(_native.CEvent))

    def test_sizes_and_places_as_the_compiler_has_them(self):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            self.skipTest("no C compiler")
        lines = ["#include <p2pnet.h>", "#include <stdio.h>", "int main(void) {"]
        for name, kind in STRUCTS.items():
            lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
            lines += [f'printf("{name}.{f[0]} %zu\\n", offsetof({name}, {f[0]}));' for f in kind._fields_]
        lines.append("return 0; }")
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder) / "sizes.c", Path(folder) / "sizes"
            source.write_text("\n".join(lines), encoding="ascii")
            subprocess.run([compiler, source, "-I", HEADER.parent, "-o", program], check=True)
            told = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        for line in told.splitlines():
            what, number = line.split()
            name, _, field = what.partition(".")
            kind = STRUCTS[name]
            self.assertEqual(getattr(kind, field).offset if field else ctypes.sizeof(kind), int(number), what)


if __name__ == "__main__":
    unittest.main()
