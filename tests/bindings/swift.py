#!/usr/bin/env python3
"""The Swift package, as a newcomer and as a tester meet it. Ends with "N passed, N failed, N skipped".

  tests/bindings/swift.py            with the swift on the path, 5.9 or later; without one all of it is one skip
  tests/bindings/swift.py --chroot   without one: in a Debian 13 of its own with Debian's swiftlang in target/swift-chroot/, made
                                     by debootstrap from the mirror that this machine's apt uses (600 MB to download, 3 GB on
                                     disk, three minutes). Needs root on a Debian
  tests/bindings/swift.py --build    builds library and server first, whatever is there
  tests/bindings/swift.py --short    fewer rounds

In that Debian programs run in a network namespace of their own.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from common.checks import Skip, Tally  # noqa: E402
from common import built, process  # noqa: E402
from common.process import HUNG, Process  # noqa: E402

PACKAGE = ROOT / "bindings" / "swift"
WORK = ROOT / "target" / "bindings" / "swift"
PREFIX = WORK / "prefix"
CHROOT = ROOT / "target" / "swift-chroot"
CHROOT_DONE = CHROOT / ".complete"
SUITE = "trixie"  # the first Debian with Swift
PACKAGES = "swiftlang,libc6-dev,libstdc++-14-dev,pkg-config,ca-certificates"
OLDEST = (5, 9)
HOW = "install Swift from swift.org, or, as root on Debian, tests/bindings/swift.py --chroot"

tally = Tally()


def say(text):
    print(text, flush=True)


class Here:
    """Swift on this machine's path."""

    jobs = []

    def command(self, words, cwd, env):
        return ["env", "-C", cwd, *(f"{name}={value}" for name, value in env.items()), *words]


class There:
    """Swift in a Debian of its own, in which this tree lies at the same path."""

    # The compiler takes a gigabyte each.
    jobs = ["--jobs", "1"]

    def command(self, words, cwd, env):
        clean = ["-i", "-C", cwd, "PATH=/usr/bin:/bin", "LANG=C.UTF-8", f"HOME={WORK}/home"]
        return ["chroot", CHROOT, "env", *clean, *(f"{name}={value}" for name, value in env.items()), *words]


class Swift:
    """A Swift, and the environment in which it finds the installed library."""

    def __init__(self, place):
        self.place = place
        self.env = {"PKG_CONFIG_PATH": f"{PREFIX}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{PREFIX}/lib"}

    def command(self, *words, cwd=PACKAGE, env=None):
        return self.place.command(words, cwd, {**self.env, **(env or {})})

    def run(self, *words, cwd=PACKAGE, env=None, status=0):
        return process.run(self.command(*words, cwd=cwd, env=env), status, ROOT, limit=10 * HUNG)

    def build(self, *words, cwd=PACKAGE, scratch="build"):
        """swift build; warnings of ours are failures."""
        text = self.run("swift", "build", *self.place.jobs, "--scratch-path", WORK / scratch, *words, cwd=cwd)
        ours = [line for line in text.splitlines() if "warning:" in line]
        assert not ours, "\n".join(ours)

    def version(self):
        """(major, minor), None if it is no Swift: another program of that name exists."""
        try:
            found = re.search(r"Swift version (\d+)\.(\d+)", self.run("swift", "--version", cwd=ROOT))
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            return None
        return (int(found[1]), int(found[2])) if found else None


# ---- a Debian with Swift in it ----

def apt(*words, status=0):
    return process.run(["apt-get", "-o", "DPkg::Lock::Timeout=300", *words], status, ROOT,
                       {"DEBIAN_FRONTEND": "noninteractive"}, limit=20 * HUNG)


def mirror():
    """Where this machine's apt gets Debian from."""
    lines = apt("indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)", "Created-By: Packages").splitlines()
    for line in lines:
        uri, codename, component, *origin = [*line.split(), ""]
        if component == "main" and "-" not in codename and (not origin[0] or origin[0] == "Debian"):
            return uri
    raise Skip("apt on this machine has no mirror of Debian, or has not been updated yet (apt-get update)")


def apt_environment():
    """The proxy that apt is told to use, for debootstrap."""
    env = {}
    for scheme in ("http", "https"):
        found = re.search(r'"(.+)"', process.run(["apt-config", "dump", f"Acquire::{scheme}::Proxy"], None, ROOT))
        if found and found[1] != "DIRECT":
            env[f"{scheme}_proxy"] = found[1]
    return env


def make_chroot():
    """The Debian, if it is not there yet; Skip if it cannot be had."""
    if CHROOT_DONE.exists():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Skip("a Debian of its own for Swift needs root on a Debian")
    if not shutil.which("debootstrap"):
        try:
            apt("install", "-y", "--no-install-recommends", "debootstrap")
        except AssertionError:
            apt("update", status=None)
            apt("install", "-y", "--no-install-recommends", "debootstrap", status=None)
        if not shutil.which("debootstrap"):
            raise Skip("debootstrap cannot be installed")
    shutil.rmtree(CHROOT, ignore_errors=True)
    CHROOT.mkdir(parents=True)
    say(f"making a Debian {SUITE} with Swift in {CHROOT.relative_to(ROOT)} ...")
    # What it mounts meanwhile is seen by nobody else, and is gone with it.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, CHROOT, mirror()]
    try:
        process.run(command, 0, ROOT, apt_environment(), limit=30 * HUNG)
    except AssertionError as why:
        raise Skip(f"debootstrap failed: {str(why).strip().splitlines()[-1]}") from why
    for packages in CHROOT.glob("var/cache/apt/archives/*.deb"):
        packages.unlink()
    CHROOT_DONE.touch()


def isolate(words):
    """Runs this script again where its mounts, its network and its processes are its own."""
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__, *words,
               "--isolated"]
    os.execvp(command[0], command)


def mount_chroot():
    for source, kind in ((ROOT, None), ("/dev", None), ("proc", "proc")):
        inside = CHROOT / str(source).lstrip("/")
        inside.mkdir(parents=True, exist_ok=True)
        how = ["-t", kind] if kind else ["--bind"]
        process.run(["mount", *how, source, inside], 0, ROOT)


# ---- checks ----

def constants_are_those_of_the_header():
    process.run([sys.executable, PACKAGE / "make_constants.py", "--check"], 0, ROOT)
    made = re.search(r'headerVersion = "(.*)"', (PACKAGE / "Sources/P2PNet/Constants.swift").read_text(encoding="utf-8"))[1]
    cargo = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]
    assert made == cargo, f"{made} in the package, {cargo} in Cargo.toml"


def constants():
    tally.attempt("the constants are those of the header", constants_are_those_of_the_header)


def own_tests(swift, env, name):
    """The package's tests, each counted."""
    command = swift.command("swift", "test", *swift.place.jobs, "--scratch-path", WORK / "build", env=env)
    done = subprocess.run([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=10 * HUNG, check=False)
    text = done.stdout.decode("utf-8", "replace")
    results = re.findall(r"^Test Case '-?\[?([\w. ]+)\]?' (passed|failed|skipped)", text, re.M)
    tally.suite(name, command, done.returncode, text, results, r"{} : Test skipped - (.*)$")


class Examples:
    """The four programs, and what they should do."""

    def __init__(self, swift):
        swift.build("-c", "release", scratch="release")
        self.swift = swift
        self.folder = Path(swift.run("swift", "build", "-c", "release", "--scratch-path", WORK / "release",
                                     "--show-bin-path").strip().splitlines()[-1])

    def start(self, name, *flags):
        return Process(self.swift.command(self.folder / name, *flags))

    def run(self, name, *flags, status=0):
        return self.swift.run(self.folder / name, *flags, status=status)

    def alice_and_bob(self, server):
        """They find each other and count to three."""
        with self.start("alice", "--bind", "127.0.0.22", "--port", "0", "--server", server, "--lines", "3") as alice:
            alice.wait_for(r"^listed at ")
            with self.start("bob", "--bind", "127.0.0.23", "--port", "0", "--server", server, "--lines", "3") as bob:
                alice.wait_for(r"^connected: 127\.0\.0\.23:")
                bob.wait_for(r'^< "got it"$')
                assert bob.ended() == 0, bob.text()
                assert "done: 3 answers received" in bob.text(), bob.text()
            assert alice.ended() == 0, alice.text()
            assert "done: 3 lines received" in alice.text(), alice.text()

    def alice_at_ctrl_c(self, server):
        with self.start("alice", "--bind", "127.0.0.22", "--port", "0", "--server", server) as alice:
            alice.wait_for(r"^listed at ")
            alice.interrupt()
            assert alice.ended() == 0, alice.text()
            assert "done: 0 lines received" in alice.text(), alice.text()

    def alice_without_a_server(self):
        """The library's sentence reaches the terminal."""
        text = self.run("alice", "--bind", "127.0.0.22", "--port", "0", "--server", "127.0.0.1:1", status=1)
        assert re.search(r"^alice: p2pnet: .*127\.0\.0\.1:1", text, re.M), text

    def direct(self):
        """The direct connect, in both dialects."""
        for flags in ([], ["--classic"], ["--explain"]):
            text = self.run("direct", *flags)
            assert "Bob hears: Sup Bob." in text and "Alice hears: Not much, Alice." in text, text
            assert text.splitlines()[-1] == "done", text
            assert ("--explain" in flags) == ("{" in text), text

    def chat(self):
        """Three in a row; the last one's word reaches the first."""
        with self.start("chat", "--name", "ann", "--bind", "127.0.0.24", "--exit-after", "2") as ann:
            at_ann = ann.wait_for(r"^listening on (\S+)$")[1]
            with self.start("chat", "--name", "ben", "--bind", "127.0.0.25", "--connect", at_ann) as ben:
                at_ben = ben.wait_for(r"^listening on (\S+)$")[1]
                ben.wait_for(r"^\* 127\.0\.0\.24:\d+ is connected$")
                with self.start("chat", "--name", "cem", "--bind", "127.0.0.26", "--connect", at_ben, "--say", "hello") as cem:
                    ben.wait_for(r'^"cem 1: hello"$')
                    ann.wait_for(r'^"cem 1: hello"$')
                    cem.type("typed\n")
                    ann.wait_for(r'^"cem 2: typed"$')
                    assert ann.ended() == 0, ann.text()
                    cem.interrupt()
                    assert cem.ended() == 0, cem.text()
                ben.interrupt()
                assert ben.ended() == 0, ben.text()


def builds(swift):
    swift.build("--build-tests")
    return True


def as_swift_6(swift):
    """The library itself, checked for data races as Swift 6 does."""
    swift.build("--target", "P2PNet", "-Xswiftc", "-swift-version", "-Xswiftc", "6", scratch="six")


def first_program(swift):
    """The README's first program in a clean folder, as the README says."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    programs = dict(re.findall(r"^`(\S+)`:\n\n```swift\n(.*?)^```", text, re.M | re.S))
    manifest, program = programs["Package.swift"], programs["Sources/hello/main.swift"]
    folder = WORK / "hello"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "Sources" / "hello").mkdir(parents=True)
    assert "/where/you/have/p2pnet/bindings/swift" in manifest and "// $0.servers" in program
    (folder / "Package.swift").write_text(manifest.replace("/where/you/have/p2pnet/bindings/swift", str(PACKAGE)), encoding="utf-8")
    # Two nodes on one machine need an address each; on the internet those lines are not there.
    alone = '$0.nodeType = .passive\n    $0.passiveBind = CommandLine.arguments.count > 1 ? "127.0.0.28" : "127.0.0.27"\n    '
    (folder / "Sources/hello/main.swift").write_text(program.replace("// $0.servers", alone + "// $0.servers"), encoding="utf-8")
    # That of the tree's README beside it, compiled.
    short = re.search(r"^```swift\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)[1]
    (folder / "Sources" / "short").mkdir()
    (folder / "Sources/short/main.swift").write_text(short, encoding="utf-8")
    one = '.executableTarget(name: "hello", dependencies: ["P2PNet"])'
    assert one in manifest
    both = f"{one}, {one.replace('hello', 'short')}"
    manifest_file = folder / "Package.swift"
    manifest_file.write_text(manifest_file.read_text(encoding="utf-8").replace(one, both), encoding="utf-8")
    text = swift.run("swift", "build", *swift.place.jobs, cwd=folder)
    assert "warning:" not in text, text
    hello = folder / ".build" / "debug" / "hello"
    line_by_line = ["stdbuf", "-oL"]  # as in a terminal
    with Process(swift.command(*line_by_line, hello)) as waits:
        locator = waits.wait_for(r"^swift run hello (\S+)$")[1]
        with Process(swift.command(*line_by_line, hello, locator)) as connects:
            assert connects.ended() == 0, connects.text()
            assert re.search(r"^127\.0\.0\.27:\d+ says: hello$", connects.text(), re.M), connects.text()
        assert waits.ended() == 0, waits.text()


def everything(swift, options):
    """All checks, with this Swift."""
    constants()
    built.have(options.build)
    (WORK / "home").mkdir(parents=True, exist_ok=True)
    built.install(PREFIX)
    say(swift.run("swift", "--version", cwd=ROOT).strip().splitlines()[0])
    compiles = tally.attempt("the package and its tests build without a warning", builds, swift)
    tally.attempt("as Swift 6", as_swift_6, swift)
    listen = ["--listen", "127.0.0.1:0", "--nat-listen", "off", "--http", "127.0.0.1:0", "--store", "memory", "--print-addrs"]
    with Process([built.SERVER, *listen]) as server:
        at = server.wait_for(r'"rendezvous":\["([^"]+)"')[1]
        mailbox = server.wait_for(r'"http":\["([^"]+)"')[1]
        env = {"P2PNET_TEST_SERVER": at, "P2PNET_TEST_MAILBOX": mailbox}
        if options.short:
            env["P2PNET_TEST_SHORT"] = "1"
        if compiles:
            own_tests(swift, env, "tests")
        examples = tally.attempt("examples build", Examples, swift)
        if examples:
            tally.attempt("alice and bob", examples.alice_and_bob, at)
            tally.attempt("alice at Ctrl-C", examples.alice_at_ctrl_c, at)
            tally.attempt("alice without a server", examples.alice_without_a_server)
            tally.attempt("direct", examples.direct)
            tally.attempt("chat", examples.chat)
    tally.attempt("the README's first program", first_program, swift)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chroot", action="store_true", help="without Swift on the path, use a Debian of its own")
    parser.add_argument("--build", action="store_true", help="build library and server first")
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument("--isolated", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    here = Swift(Here())
    version = here.version() if shutil.which("swift") else None
    if options.isolated:
        process.run(["ip", "link", "set", "lo", "up"], 0, ROOT)
        mount_chroot()
        everything(Swift(There()), options)
    elif version and version >= OLDEST:
        everything(here, options)
    elif not options.chroot:
        why = f"Swift {version[0]}.{version[1]} is older than 5.9" if version else "no Swift compiler is on the path"
        constants()
        tally.skip("the Swift package", f"{why}: {HOW}")
    else:
        try:
            make_chroot()
            built.have(options.build)
        except Skip as why:
            constants()
            tally.skip("the Swift package", str(why))
        else:
            isolate([word for word in sys.argv[1:] if word != "--build"])
    return tally.end(may_all_be_skipped=True)


if __name__ == "__main__":
    sys.exit(main())
