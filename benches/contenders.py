"""Who is measured: how each is built and in which ways it runs. Add one here, and its C file beside this one."""

import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
OUT = os.path.join(TARGET, "benches")
HEADER = os.path.join(ROOT, "include", "p2pnet.h")
WORKS = ("flood", "pingpong", "crowd", "start", "wire")
# What those do that are no TCP of their own, or have no connection that could be looked at.
OTHERS = ("flood", "pingpong", "crowd", "start")
# What several works have in common.
PARTS = {"flood": ["oneway"], "wire": ["oneway"]}
LIB = os.path.join(TARGET, "release", "libp2pnet.a")
CIPHER = os.path.join(TARGET, "cipher", "release", "libbench_cipher.a")
SERVER = os.path.join(TARGET, "tools", "tools", "p2p-rendezvous")
SYSTEM_LIBS = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]

# How p2pnet is told to look for a while before it sleeps: the name of the option, and its value. As long as the header does
# not know the name, p2pnet_spin is left out.
P2PNET_SPIN_OPTION = "P2P_OPT_SPIN_US"
P2PNET_SPIN_VALUE = 50


def in_header(name):
    with open(HEADER, encoding="utf-8") as f:
        return re.search(rf"\b{name}\b", f.read()) is not None


class Contender:
    """One column of a table."""

    def __init__(self, name, program, way, works=WORKS, ways=None, flags=(), pkg_config=None, package=None, needs=None, more=(),
                 server=None):
        self.name = name
        self.program = program  # the C file, without .c; None: the work's own is all there is
        self.way = way
        self.ways = ways or {}  # in these works it goes another way
        self.works = works
        self.flags = list(flags)
        self.pkg_config = pkg_config  # a library that has to be installed; without it the contender is left out
        self.package = package  # the Debian package that brings it
        self.needs = needs  # what p2pnet.h has to name
        self.more = more  # further C files
        self.server = server  # a program that is not of ours, as a command; else the server is the same program

    def missing(self):
        """Why it cannot take part, or None."""
        if self.server is not None and not os.path.exists(self.server[0]):
            return f"{self.server[0]} is not built"
        if self.needs and not in_header(self.needs):
            return f"p2pnet has no {self.needs}"
        if self.pkg_config is None:
            return None
        try:
            asked = subprocess.run(["pkg-config", "--cflags", "--libs", self.pkg_config], capture_output=True, text=True)
        except OSError:
            return "pkg-config is not installed"
        if asked.returncode != 0:
            return f"{self.pkg_config} is not installed (on Debian: apt install {self.package})"
        self.flags += asked.stdout.split()
        return None

    def version(self):
        """Of the library that it is."""
        if self.pkg_config is None:
            return None
        asked = subprocess.run(["pkg-config", "--modversion", self.pkg_config], capture_output=True, text=True)
        return asked.stdout.strip()

    def way_of(self, work):
        return self.ways.get(work, self.way)

    def path(self, work):
        return os.path.join(OUT, f"{work}-{self.program}" if self.program else work)


RAW = [CIPHER, *SYSTEM_LIBS]
P2PNET = [LIB, *SYSTEM_LIBS]
if in_header(P2PNET_SPIN_OPTION):
    P2PNET += [f"-DP2PNET_SPIN_OPTION={P2PNET_SPIN_OPTION}", f"-DP2PNET_SPIN_VALUE={P2PNET_SPIN_VALUE}"]
# Without the limits that keep one address from using a server up.
UNLIMITED = [SERVER, "--listen", "127.0.0.1:0", "--http", "off", "--nat-listen", "off", "--store", "memory", "--print-addrs",
             "--log-level", "error", "--max-connections-per-address", "20000", "--requests-per-second", "4000000",
             "--request-burst", "4000000"]
RELAY = [*UNLIMITED, "--relay-max-sessions", "2000", "--relay-max-per-address", "20000",
         "--relay-rate", "0", "--relay-max-rate", "0", "--relay-max-bytes", "0"]

# In each table the first is what the others are compared with.
CONTENDERS = [
    # A round trip is compared with what waits in send() and recv() themselves.
    Contender("raw", "raw", "batch", ways={"pingpong": "blocking"}, flags=RAW),
    Contender("raw_copy", "raw", "copy", works=("flood",), flags=RAW),
    Contender("raw_1write", "raw", "1write", works=("flood",), flags=RAW),
    Contender("raw_epoll", "raw", "batch", works=("pingpong",), flags=RAW),
    Contender("raw_cipher", "raw", "cipher", works=("flood", "pingpong", "wire"), flags=RAW),
    Contender("zeromq", "zeromq", "pair", works=OTHERS, ways={"crowd": "router"}, pkg_config="libzmq", package="libzmq3-dev"),
    Contender("enet", "enet", "reliable", works=OTHERS, pkg_config="libenet", package="libenet-dev"),
    Contender("libuv", "libuv", "batch", works=OTHERS, pkg_config="libuv", package="libuv1-dev"),
    Contender("p2pnet", "p2pnet", "classic", flags=P2PNET),
    Contender("p2pnet_spin", "p2pnet", "spin", works=("pingpong",), flags=P2PNET, needs=P2PNET_SPIN_OPTION),
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
# The rendezvous server, by how many nodes it knows (rendezvous.py).
ASKERS = Contender("askers", None, "ask", works=("rendezvous",), flags=RAW)


def build(contenders, cargo=True, server=False):
    """The library, the rendezvous server if it is needed, and every program; or the compiler's message and the end."""
    if cargo:
        if any(LIB in c.flags for c in contenders):
            subprocess.run(["make", "-s", "lib"], cwd=ROOT, check=True)
        if server:
            # As `make server` does.
            subprocess.run(["cargo", "build", "--quiet", "--profile", "tools", "--features", "server,cli", "--bins",
                            "--target-dir", os.path.join(TARGET, "tools")], cwd=ROOT, check=True)
        subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--target-dir",
                        os.path.join(TARGET, "cipher")], cwd=os.path.join(HERE, "cipher"), check=True)
    os.makedirs(OUT, exist_ok=True)
    common = ["gcc", "-std=gnu11", "-O2", "-flto=auto", "-Wall", "-Wextra", "-I", os.path.dirname(HEADER)]
    built = set()
    for c in contenders:
        for work in c.works:
            if c.path(work) in built:
                continue
            built.add(c.path(work))
            names = ["bench", "main", work, *PARTS.get(work, []), *([c.program] if c.program else []), *c.more]
            sources = [os.path.join(HERE, name + ".c") for name in names]
            subprocess.run([*common, *sources, "-o", c.path(work), *c.flags], check=True)


def outdated(program):
    """Whether a source of ours is newer than this program, which then is not what the report would say it is."""
    built = os.path.getmtime(program)
    sources = [os.path.join(ROOT, "Cargo.toml"), os.path.join(ROOT, "Cargo.lock")]
    for folder, _, names in [*os.walk(os.path.join(ROOT, "src")), *os.walk(os.path.join(ROOT, "crates"))]:
        sources += [os.path.join(folder, name) for name in names if name.endswith((".rs", ".toml"))]
    return any(os.path.getmtime(source) > built for source in sources)


def same_cipher():
    """What is not the same in the library and in raw_cipher, as text; empty if all is."""
    def versions(folder):
        with open(os.path.join(folder, "Cargo.lock"), encoding="utf-8") as f:
            found = dict(re.findall(r'name = "(aes|aes-gcm|chacha20|chacha20poly1305|ctr|ghash|poly1305|polyval)"\nversion = "(.+)"', f.read()))
        return found

    ours, theirs = versions(ROOT), versions(os.path.join(HERE, "cipher"))
    return [f"raw_cipher has {name} {theirs.get(name)}, the library {ours[name]}" for name in ours
            if ours[name] != theirs.get(name)]
