"""Who is measured: how each is built and in which ways it runs. Add one here, and its C file beside this one."""

import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
OUT = os.path.join(TARGET, "benches")
WORKS = ("flood", "pingpong", "crowd", "start", "wire")
# What several works have in common.
PARTS = {"flood": ["oneway"], "wire": ["oneway"]}
LIB = os.path.join(TARGET, "release", "libp2pnet.a")
CIPHER = os.path.join(TARGET, "cipher", "release", "libbench_cipher.a")
SERVER = os.path.join(TARGET, "tools", "tools", "p2p-rendezvous")
SYSTEM_LIBS = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]


class Contender:
    """One column of a table."""

    def __init__(self, name, program, way, works=WORKS, flags=(), pkg_config=None, more=(), server=None):
        self.name = name
        self.program = program  # the C file, without .c; None: the work's own is all there is
        self.way = way
        self.works = works
        self.flags = list(flags)
        self.pkg_config = pkg_config  # a library that has to be installed; without it the contender is left out
        self.more = more  # further C files
        self.server = server  # a program that is not of ours, as a command; else the server is the same program

    def available(self):
        if self.server is not None and not os.path.exists(self.server[0]):
            return False
        if self.pkg_config is None:
            return True
        try:
            asked = subprocess.run(["pkg-config", "--cflags", "--libs", self.pkg_config], capture_output=True, text=True)
        except OSError:
            return False
        self.flags += asked.stdout.split()
        return asked.returncode == 0

    def path(self, work):
        return os.path.join(OUT, f"{work}-{self.program}" if self.program else work)


RAW = [CIPHER, *SYSTEM_LIBS]
P2PNET = [LIB, *SYSTEM_LIBS]
# Without the limits that keep one address from using a server up.
RELAY = [SERVER, "--listen", "127.0.0.1:0", "--http", "off", "--nat-listen", "off", "--store", "memory", "--print-addrs",
         "--log-level", "error", "--max-connections-per-address", "20000", "--requests-per-second", "1000000",
         "--request-burst", "1000000", "--relay-max-sessions", "2000", "--relay-max-per-address", "20000",
         "--relay-rate", "0", "--relay-max-rate", "0", "--relay-max-bytes", "0"]

# In each table the first is what the others are compared with.
CONTENDERS = [
    Contender("raw", "raw", "batch", flags=RAW),
    Contender("raw_copy", "raw", "copy", works=("flood",), flags=RAW),
    Contender("raw_1write", "raw", "1write", works=("flood",), flags=RAW),
    Contender("raw_cipher", "raw", "cipher", works=("flood", "pingpong", "wire"), flags=RAW),
    Contender("p2pnet", "p2pnet", "classic", flags=P2PNET),
    Contender("p2pnet_secure", "p2pnet", "secure", works=("flood", "pingpong", "start", "wire"), flags=P2PNET),
    # Nodes that meet, with and without a handshake.
    Contender("classic", None, "classic", works=("meet",), flags=P2PNET, more=("nodes",)),
    Contender("XX", None, "xx", works=("meet",), flags=P2PNET, more=("nodes",)),
    Contender("IK", None, "ik", works=("meet",), flags=P2PNET, more=("nodes",)),
    # Strangers, by what they say.
    *(Contender(name, None, way, works=("stranger",), flags=P2PNET, more=("nodes",)) for name, way in (
        ("accept()", "accept"), ("nothing", "silent"), ("half a greeting", "half"), ("a wrong greeting", "wrong"),
        ("XX, recorded", "xx"), ("IK, recorded", "ik"))),
    # Relays.
    Contender("copy", None, "copy", works=("relay",), flags=SYSTEM_LIBS, more=("relays",)),
    Contender("splice", None, "splice", works=("relay",), flags=SYSTEM_LIBS, more=("relays",)),
    Contender("p2p-rendezvous", None, "server", works=("relay",), flags=SYSTEM_LIBS, more=("relays",), server=RELAY),
    # As the system likes the sizes of the sockets' buffers, like the two simple ones.
    Contender("p2p-rendezvous, --relay-buffer 0", None, "server", works=("relay",), flags=SYSTEM_LIBS, more=("relays",),
              server=[*RELAY, "--relay-buffer", "0"]),
    Contender("no relay", None, "direct", works=("relay",), flags=SYSTEM_LIBS, more=("relays",)),
]


def build(contenders, cargo=True):
    """The library and every program, or the compiler's message and the end."""
    if cargo:
        subprocess.run(["make", "-s", "lib"], cwd=ROOT, check=True)
        subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--target-dir",
                        os.path.join(TARGET, "cipher")], cwd=os.path.join(HERE, "cipher"), check=True)
    os.makedirs(OUT, exist_ok=True)
    common = ["gcc", "-std=gnu11", "-O2", "-flto=auto", "-Wall", "-Wextra", "-I", os.path.join(ROOT, "include")]
    built = set()
    for c in contenders:
        for work in c.works:
            if c.path(work) in built:
                continue
            built.add(c.path(work))
            names = ["bench", "main", work, *PARTS.get(work, []), *([c.program] if c.program else []), *c.more]
            sources = [os.path.join(HERE, name + ".c") for name in names]
            subprocess.run([*common, *sources, "-o", c.path(work), *c.flags], check=True)


def same_cipher():
    """What is not the same in the library and in raw_cipher, as text; empty if all is."""
    def versions(folder):
        with open(os.path.join(folder, "Cargo.lock"), encoding="utf-8") as f:
            found = dict(re.findall(r'name = "(aes|aes-gcm|chacha20|chacha20poly1305|ctr|ghash|poly1305|polyval)"\nversion = "(.+)"', f.read()))
        return found

    ours, theirs = versions(ROOT), versions(os.path.join(HERE, "cipher"))
    return [f"raw_cipher has {name} {theirs.get(name)}, the library {ours[name]}" for name in ours
            if ours[name] != theirs.get(name)]
