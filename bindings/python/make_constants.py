#!/usr/bin/env python3
"""Writes src/p2pnet/constants.py from include/p2pnet.h, or with --check says whether it is up to date.

  make_constants.py            writes it
  make_constants.py --check    exits 1 if it would change
"""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include" / "p2pnet.h"
TARGET = HERE / "src" / "p2pnet" / "constants.py"

# The enum in C, its name here, what the names of its values begin with in C, and its base class.
ENUMS = [
    ("p2p_result", "Result", ("P2P_ERR_", "P2P_"), "IntEnum"),
    ("p2p_kind", "EventKind", ("P2P_EVENT_",), "IntEnum"),
    ("p2p_node_type", "NodeType", ("P2P_NODE_",), "IntEnum"),
    ("p2p_nat", "Nat", ("P2P_NAT_",), "IntEnum"),
    ("p2p_fwd", "Fwd", ("P2P_FWD_",), "IntFlag"),
    ("p2p_mapping", "Mapping", ("P2P_MAPPING_",), "IntEnum"),
    ("p2p_allocation", "Allocation", ("P2P_ALLOCATION_",), "IntEnum"),
    ("p2p_unsolicited", "Unsolicited", ("P2P_UNSOLICITED_",), "IntEnum"),
    ("p2p_via", "Via", ("P2P_VIA_",), "IntEnum"),
    ("p2p_path", "Path", ("P2P_PATH_",), "IntEnum"),
    ("p2p_candidate_kind", "CandidateKind", ("P2P_CANDIDATE_",), "IntEnum"),
    ("p2p_net_type", "NetType", ("P2P_NET_",), "IntEnum"),
    ("p2p_dialect", "Dialect", ("P2P_DIALECT_",), "IntEnum"),
    ("p2p_framing", "Framing", ("P2P_FRAMING_",), "IntEnum"),
    ("p2p_log", "Log", ("P2P_LOG_",), "IntEnum"),
    ("p2p_opt", "Opt", ("P2P_OPT_",), "IntEnum"),
    ("p2p_server", "Server", ("P2P_SERVER_",), "IntEnum"),
    ("p2p_mainline", "Mainline", ("P2P_MAINLINE_",), "IntFlag"),
    ("p2p_classic", "Classic", ("P2P_CLASSIC_",), "IntFlag"),
]
NUMBERS = ["P2P_ADDR_LEN", "P2P_CON_ID_LEN", "P2P_HOST_LEN", "P2P_UNL_CANDIDATES"]


def comment(text):
    """The text of a /** ... */, one line."""
    return " ".join(line.strip().lstrip("*").strip() for line in text.strip("/* \n").splitlines()).strip()


def quoted(text):
    return '"""' + text.replace("\\", "\\\\").replace('"""', "'''") + '"""'


def enums(header):
    """Every enum of the header: its name, what it is, and (name, value) of each member."""
    pattern = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\nenum (p2p_\w+)\n(?:#[^\n]*\n[^\n]*\n#[^\n]*\n)? \{\n(.*?)\n\};", re.S)
    for what, name, body in pattern.findall(header):
        members = re.findall(r"^  (P2P_\w+) = (-?\d+),", body, re.M)
        yield name, comment(what), [(n, int(v)) for n, v in members]


def write(header):
    """The text of constants.py."""
    found = {name: (what, members) for name, what, members in enums(header)}
    missing = {name for name, *_ in ENUMS} ^ set(found)
    if missing:
        raise SystemExit(f"make_constants.py does not name the same enums as the header: {', '.join(sorted(missing))}")
    version = [re.search(rf"#define P2P_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    lines = [
        '"""The numbers of include/p2pnet.h. Written by make_constants.py: change the header, then run that."""',
        "from enum import IntEnum, IntFlag",
        "",
        f'VERSION = "{".".join(version)}"',
    ]
    for name in NUMBERS:
        value = re.search(rf"#define {name} (\d+)", header)[1]
        lines.append(f"{name[4:]} = {value}")
    for c_name, name, prefixes, base in ENUMS:
        what, members = found[c_name]
        lines += ["", "", f"class {name}({base}):", f"    {quoted(what)}", ""]
        for member, value in members:
            short = next(member[len(p):] for p in prefixes if member.startswith(p))
            lines.append(f"    {short} = {value}")
    return "\n".join(lines) + "\n"


def main():
    text = write(HEADER.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET} is out of date: run {Path(__file__).name}", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
