"""Who is measured: how each is built and in which ways it runs. Add one here, and its C file beside this one."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
OUT = os.path.join(TARGET, "benches")
WORKS = ("flood", "pingpong", "crowd", "start")
LIB = os.path.join(TARGET, "release", "libp2pnet.a")
SYSTEM_LIBS = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]


class Contender:
    """One column of the table."""

    def __init__(self, name, program, way, works=WORKS, flags=(), pkg_config=None):
        self.name = name
        self.program = program  # the C file, without .c
        self.way = way
        self.works = works
        self.flags = list(flags)
        self.pkg_config = pkg_config  # a library that has to be installed; without it the contender is left out

    def available(self):
        if self.pkg_config is None:
            return True
        try:
            asked = subprocess.run(["pkg-config", "--cflags", "--libs", self.pkg_config], capture_output=True, text=True)
        except OSError:
            return False
        self.flags += asked.stdout.split()
        return asked.returncode == 0

    def path(self, work):
        return os.path.join(OUT, f"{work}-{self.program}")


# The first is what the others are compared with.
CONTENDERS = [
    Contender("raw", "raw", "batch"),
    Contender("raw_copy", "raw", "copy", works=("flood",)),
    Contender("raw_1write", "raw", "1write", works=("flood",)),
    Contender("p2pnet", "p2pnet", "classic", flags=[LIB, *SYSTEM_LIBS]),
    Contender("p2pnet_secure", "p2pnet", "secure", works=("flood", "pingpong", "crowd"), flags=[LIB, *SYSTEM_LIBS]),
]


def build(contenders, cargo=True):
    """The library and every program, or the compiler's message and the end."""
    if cargo:
        subprocess.run(["cargo", "build", "--release", "--quiet", "--lib"], cwd=ROOT, check=True)
    os.makedirs(OUT, exist_ok=True)
    common = ["gcc", "-std=gnu11", "-O2", "-flto=auto", "-Wall", "-Wextra", "-I", os.path.join(ROOT, "include")]
    built = set()
    for c in contenders:
        for work in c.works:
            if c.path(work) in built:
                continue
            built.add(c.path(work))
            sources = [os.path.join(HERE, f) for f in ("bench.c", "main.c", work + ".c", c.program + ".c")]
            subprocess.run([*common, *sources, "-o", c.path(work), *c.flags], check=True)
