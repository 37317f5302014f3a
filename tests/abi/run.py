#!/usr/bin/env python3
"""The C ABI against that of the last release: nothing that programs were compiled against may have changed.

  tests/abi/run.py             compares
  tests/abi/run.py --renew     at a release (make abi-baseline): what is there now becomes what later versions are held against
  tests/abi/run.py --library PATH     the shared library to look at; by default the one in target/ that was built last

What is compared, with what is in baseline/:
  header.abi   by abidiff: every function, parameter, struct and enumeration of include/p2pnet.h, from a library of empty
               functions that is compiled from it. (That the Rust side is laid out as the header says is what the header is
               generated for, and what tests/c uses.)
  constants    names and numbers of all enumerators and macros, some of which no function mentions
  symbols      the functions of the shared library, and its soname

Allowed are new functions, new numbers, and new members behind the last one of a struct. Ends with "N passed, N failed,
N skipped".
"""
import argparse
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from common.checks import Tally  # noqa: E402

BASELINE = Path(__file__).resolve().parent / "baseline"
WORK = ROOT / "target" / "abi"
HEADER = ROOT / "include" / "p2pnet.h"

tally = Tally()
count = tally.count


def run(command, status=0):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if status is not None and done.returncode != status:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


# ---- The header as a library

def empty_library(header, name):
    """A shared library with the functions of a header, all empty, and everything about their types."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    text = header.read_text() if isinstance(header, Path) else header
    (folder / "p2pnet.h").write_text(text)
    # As C++17, where the enumerations are types of their own.
    plain = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    bodies = [f"extern \"C\" {' '.join(m.split())} {{ __builtin_trap(); }}"
              for m in re.findall(r"^P2P_API\s+([^;{}#]*?\bp2p_\w+\([^;]*?\));", plain, re.M | re.S)]
    source = folder / "empty.cpp"
    source.write_text('#include "p2pnet.h"\n' + "\n".join(bodies) + "\n")
    library = folder / "libempty.so"
    run(["g++", "-std=c++17", "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types", "-shared", "-fPIC", "-w", "-I", folder,
         f"-ffile-prefix-map={folder}=/", source, "-o", library, "-Wl,-soname,libp2pnet.so.0"])
    return library


def description(library, out):
    """What abidw has to say of a library, without anything about this machine."""
    run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--drop-private-types", "--headers-dir",
         library.parent, "--out-file", out, library])
    return out


# What abidiff may say: what stands in a line of its report without being a break of the promise.
HARMLESS = [re.compile(p) for p in [
    r"^(Functions|Variables) changes summary:", r"^(Function|Variable) symbols changes summary:",
    r"^\d+ functions? with some indirect sub-type change:", r"^\d+ Added functions?:", r"^\[A\] ", r"^\[C\] ",
    r"^parameter \d+ of type '.*' has sub-type changes:", r"^return type changed:?", r"^in pointed to type '.*'",
    r"^in unqualified underlying type '.*'", r"^underlying type '.*' changed:", r"^type size changed from (\d+) to (\d+) \(in bits\)",
    r"^type size hasn't changed", r"^\d+ data member insertions?:", r"^'.*', at offset (\d+) \(in bits\)", r"^\d+ enumerator insertions?:",
    r"^'.*::\w+' value '-?\d+'", r"^and name of '.*'", r"^\d+ data member changes?", r"^type of '.*' changed:",
    r"^type '.*' was .*reported", r"^details were reported earlier", r"^pointer type changed from", r"^$"]]


def breaks(old, new):
    """The lines of abidiff's report that tell of a break; the whole report."""
    report = run(["abidiff", "--no-show-locs", old, new], status=None)
    wrong, size, section = [], 0, ""
    for line in map(str.strip, report.splitlines()):
        grown = re.match(r"type size changed from (\d+) to (\d+)", line)
        if grown:
            size = int(grown[1])
            if int(grown[2]) < size:
                wrong.append(line)
        elif re.match(r"\d+ (data member|enumerator)", line):
            section = line
        at = re.match(r"'.*', at offset (\d+) \(in bits\)", line)
        if at and "insertion" in section and int(at[1]) < size:
            wrong.append(f"{line}: inserted before the end")
        if not any(p.search(line) for p in HARMLESS) or re.search(r"deletion|[Rr]emoved|\[D\]|member changes?:", line):
            wrong.append(line)
        removed = re.search(r": (\d+) Removed, (\d+) Changed", line)
        if removed and removed[1] == "0":
            wrong = [w for w in wrong if w != line]
    return wrong, report


# ---- Numbers

def constants(header):
    """Names and numbers of all enumerators and macros."""
    text = header.read_text() if isinstance(header, Path) else header
    found = dict(re.findall(r"^\s*(P2P_\w+) = (-?\d+)\b", text, re.M))
    found.update(re.findall(r"^#define (P2P_\w+_(?:LEN|CANDIDATES)) (\d+)$", text, re.M))
    return found


def listed(path):
    """A file of the baseline with a name and a value in each line."""
    return dict(line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))


def changed(old, new):
    """The names of which a program knows another value."""
    return {name: (value, new.get(name, "gone")) for name, value in old.items() if new.get(name) != value}


# ---- The library

def symbols(library):
    return {line.split()[-1]: line.split()[-2] for line in run(["nm", "-D", "--defined-only", library]).splitlines()}


def soname(library):
    return re.findall(r"SONAME.*\[(.*)\]", run(["readelf", "-d", library]))


def built(path):
    found = [path] if path else [ROOT / "target" / kind / "libp2pnet.so" for kind in ("release", "debug")]
    # One of them may be from long ago.
    return max((library for library in found if library.exists()), key=lambda library: library.stat().st_mtime, default=None)


def version():
    return re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def renew(library):
    """Writes the baseline."""
    BASELINE.mkdir(exist_ok=True)
    description(empty_library(HEADER, "now"), BASELINE / "header.abi")
    head = f"# Of version {version()}; `make abi-baseline` writes it at a release.\n"
    rows = "".join(f"{name} {value}\n" for name, value in constants(HEADER).items())
    (BASELINE / "constants").write_text(head + rows)
    rows = "".join(f"{name} {kind}\n" for name, kind in sorted(symbols(library).items()))
    (BASELINE / "symbols").write_text(head + f"soname {soname(library)[0]}\n" + rows)
    print(f"tests/abi/baseline is that of {version()} now; commit it with the release")


def compare(library):
    """Each of the three, with the names of what has changed."""
    wrong = changed(listed(BASELINE / "constants"), constants(HEADER))
    count(not wrong, "no number has changed or gone", wrong)
    if library is None:
        tally.skip("the library's functions", "neither target/release nor target/debug has libp2pnet.so")
    else:
        old = listed(BASELINE / "symbols")
        name = old.pop("soname")
        count(soname(library) == [name], f"the soname is still {name}", soname(library))
        wrong = changed(old, symbols(library))
        count(not wrong, "no function has gone from the library", wrong)
    if not shutil.which("abidiff") or not shutil.which("g++"):
        tally.skip("types and functions of the header", "abidiff (abigail-tools) or g++ is not installed")
        return
    if platform.machine() != "x86_64":
        tally.skip("types and functions of the header", "the description in baseline/ is of x86-64")
        return
    now = description(empty_library(HEADER, "now"), WORK / "now.abi")
    wrong, report = breaks(BASELINE / "header.abi", now)
    count(not wrong, "types and functions of the header are those of the last release", report)
    check_the_check(now)


# ---- That it would notice

BREAKS = {
    "a function that went": (r"\bP2P_API p2p_result p2p_cancel\([^;]*;", ""),
    "a parameter of another type": (r"p2p_wait\(p2p_net \*net,\s*int32_t timeout_ms\)", "p2p_wait(p2p_net *net, int64_t timeout_ms)"),
    "a parameter more": (r"p2p_cancel\(p2p_net \*net, p2p_request req\)", "p2p_cancel(p2p_net *net, p2p_request req, int32_t how)"),
    "another result": (r"P2P_API uint64_t p2p_features|P2P_API\nuint64_t p2p_features", "P2P_API uint32_t p2p_features"),
    "a member of another width": (r"  int32_t os_error;\n  /\*\* A number whose", "  int64_t os_error;\n  /** A number whose"),
    "a member in the middle": (r"(typedef struct p2p_stats \{.*?uint32_t reserved;)", r"\1\n  uint64_t inserted;"),
    "a member that went": (r"  /\*\* Peers turned away by a rule. \*/\n  uint64_t rejected;\n", ""),
    "two members exchanged": (r"(  uint64_t opened;)(.*?)(  uint64_t closed;)", r"\3\2\1"),
    "a number that changed": (r"P2P_EVENT_LINE = 6,", "P2P_EVENT_LINE = 60,"),
    "a longer text in a struct": (r"#define P2P_ADDR_LEN 64", "#define P2P_ADDR_LEN 80"),
}
ALLOWED = {
    "a new function": (r"(#ifdef __cplusplus\n\}  // extern)", r"P2P_API p2p_result p2p_new_one(p2p_net *net);\n\n\1"),
    "a member at the end": (r"(uint64_t events_queued;)", r"\1\n  uint64_t appended;"),
    "a new number": (r"(P2P_EVENT_LINE = 6,)", r"\1\n  P2P_EVENT_NEW = 99,"),
}


def check_the_check(now):
    """Headers with changes made here: breaks are found, growth is not taken for one."""
    text = HEADER.read_text()
    for kind, table in [("found", BREAKS), ("allowed", ALLOWED)]:
        for at, (what, (pattern, new)) in enumerate(table.items()):
            other, times = re.subn(pattern, new, text, count=1, flags=re.S)
            if times != 1:
                count(False, f"{what} is {kind}", "the header has no such place any more: adapt the pattern")
                continue
            name = f"{kind}-{at}"
            wrong, report = breaks(now, description(empty_library(other, name), WORK / f"{name}.abi"))
            wrong = wrong or changed(constants(text), constants(other))
            count(bool(wrong) == (kind == "found"), f"{what} is {kind}", f"{wrong}\n{report}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--library", type=Path)
    options = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    library = built(options.library)
    if options.renew:
        if library is None or not shutil.which("abidw"):
            sys.exit("abi-baseline: needs a built library (make) and abidw (abigail-tools)")
        renew(library)
        return 0
    compare(library)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
