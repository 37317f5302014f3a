#!/usr/bin/env python3
"""Bytes of the shared library, stripped, and what is in them. `make size`.

  tests/size.py DEFAULT SMALL     the folders with libp2pnet.so as `make lib` and as `make small` build it

What is in them: sections, and functions and constants by the crate they are of. A generic function of the standard library is of
the standard library, whatever it was made for. Status 1 if one is larger than it may be.
"""
import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# What a program has to bring along at most. The goal of the small build is 1.5 MiB; see docs/dependencies.md.
DEFAULT_MOST = 3 << 20
SMALL_MOST = 2_115_000
SHOWN = 40


def stripped(library):
    """Bytes of it without symbols."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        subprocess.run(["strip", "--strip-unneeded", "-o", copy, library], check=True)
        return copy.stat().st_size


def sections(library):
    """Bytes of each section that is in memory and in the file, the larger ones."""
    text = subprocess.run(["readelf", "-SW", library], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"\] (\S+) +(?!NOBITS)\S+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) \S+ +\S*A", text)
    return sorted(((int(size, 16), name) for name, size in found if int(size, 16) >= 4096), reverse=True)


def crate(symbol):
    """The crate that a symbol is of."""
    for generic, name in [("drop_in_place", "(what drops things)"), ("collections::btree", "(ordered maps)"), ("slice::sort", "(sorting)"),
                          ("gimli", "(printing of panics)"), ("addr2line", "(printing of panics)"), ("backtrace", "(printing of panics)"),
                          ("miniz_oxide", "(printing of panics)"), ("rustc_demangle", "(printing of panics)")]:
        if generic in symbol:
            return name
    if symbol.startswith("p2p_"):
        return "p2pnet"
    found = re.match(r"[<&*(]*(?:dyn |mut |impl )*([a-z_][a-z0-9_]*)::", symbol)
    inner = re.search(r"\b(p2pnet|tokio|snow|ureq|http|xml|url|igd_next)::", symbol)
    return found[1] if found else inner[1] if inner else "(other)"


def crates(library):
    """Bytes by crate."""
    text = subprocess.run(["nm", "-S", "-C", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    total = collections.Counter()
    for line in text.splitlines():
        found = re.match(r"[0-9a-f]+ ([0-9a-f]+) [tTrRdDwW] (.*)", line)
        if found:
            total[crate(found[2])] += int(found[1], 16)
    return [(size, name) for name, size in total.most_common(SHOWN)]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    good = True
    for what, folder, most in [("default features", sys.argv[1], DEFAULT_MOST), ("small", sys.argv[2], SMALL_MOST)]:
        library = Path(folder) / "libp2pnet.so"
        size = stripped(library)
        good &= size <= most
        print(f"{what}: {size:,} bytes, stripped; at most {most:,}{'' if size <= most else ': TOO LARGE'}")
        for bytes_, name in sections(library):
            print(f"  {bytes_:>11,}  section {name}")
        for bytes_, name in crates(library):
            print(f"  {bytes_:>11,}  {name}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
