#!/usr/bin/env python3
"""Runs every test of the project and ends with one line that counts them.

  tests/run.py                 everything (make test), three steps at a time
  tests/run.py fmt clippy rust only these steps, one after the other
  tests/run.py --soak          the long tests instead (make soak)
  tests/run.py --list          the steps

Each step writes its whole output to target/test-logs/STEP.log; what failed is shown from it in the end. What cannot run on
this machine is counted as skipped, with the reason. Exit status 0 only if nothing failed.
"""
import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from common.debug import BUILD, FEATURES

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "target" / "test-logs"
# The programs p2p and p2p-rendezvous that the scripts start are those of cargo's tests: they are built once.
TOOLS = "target/debug"
# Programs the tests use, and the Debian packages that bring them.
PACKAGES = {"valgrind": "valgrind", "clang-format": "clang-format", "nm": "binutils", "pkg-config": "pkg-config",
            "g++": "g++", "ip": "iproute2", "unshare": "util-linux", "nft": "nftables", "miniupnpd": "miniupnpd",
            "conntrack": "conntrack", "cmake": "cmake", "abidiff": "abigail-tools", "lintian": "lintian", "zsh": "zsh",
            "fish": "fish", "groff": "groff-base", "strace": "strace", "dpkg-shlibdeps": "dpkg-dev", "node": "nodejs",
            "npm": "npm"}

COUNT = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", re.M)
CARGO_COUNT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.M)
SKIP_LINE = re.compile(r"^\s*skip(?:ped)?\b[: ]+(.*)$", re.M | re.I)
# How the steps say that a check failed: cargo's tests, the lab, the scripts.
FAIL_LINE = re.compile(r"^(?:not ok |test \S+ \.\.\. FAILED|thread '.*' .*panicked at|failed: |FAIL(?:ED)?\b|Traceback )")
TOLD_LINES = 12  # shown of what follows such a line


class Result:
    """What a step has shown: how many checks passed and failed, and why others did not run."""

    def __init__(self, passed=0, failed=0, skipped=()):
        self.passed, self.failed, self.skipped = passed, failed, list(skipped)
        self.failing = []  # the names of steps, where several are added up


def run(step, command, env=None):
    """Runs a command with its output in the step's log; gives exit status and output."""
    log = LOGS / f"{step}.log"
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        start = out.tell()
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT, check=False)
    with log.open("rb") as whole:
        whole.seek(start)
        return done.returncode, whole.read().decode("utf-8", "replace")


def one(step, *commands, env=None):
    """A step of commands that each count as one check."""
    result = Result()
    for command in commands:
        status, _ = run(step, command, env)
        if status == 0:
            result.passed += 1
        else:
            result.failed += 1
    return result


def counted(step, command, pattern=COUNT, env=None):
    """A step whose output counts its checks."""
    status, text = run(step, command, env)
    found = [tuple(int(n or 0) for n in m.groups()) for m in pattern.finditer(text)]
    passed, failed = sum(f[0] for f in found), sum(f[1] for f in found)
    skipped = sum(f[2] for f in found)
    reasons = SKIP_LINE.findall(text)[:skipped] if skipped else []
    reasons += ["no reason given"] * (skipped - len(reasons))
    if status != 0 and failed == 0:
        failed = 1
    if status == 0 and passed + skipped == 0:
        with (LOGS / f"{step}.log").open("a") as out:
            out.write("the step ended well but counted no check: that is a failure\n")
        failed = 1
    return Result(passed, failed, reasons)


def missing(*programs):
    """A result that says why a step cannot run, or None."""
    absent = [p for p in programs if not shutil.which(p)]
    return Result(skipped=[f"{', '.join(absent)} not installed"]) if absent else None


def step_fmt():
    return one("fmt", ["cargo", "fmt", "--all", "--check"])


def step_cformat():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h", "*.cpp", "*.hpp"], cwd=ROOT, capture_output=True,
                           text=True, check=False).stdout.split()
    files = [f for f in files if f != "include/p2pnet.h"]
    return missing("clang-format") or one("cformat", ["clang-format", "--dry-run", "-Werror", *files])


def step_clippy():
    return one("clippy",
               ["cargo", "clippy", "--lib", "--no-default-features", "--", "-D", "warnings"],
               ["cargo", "clippy", "--lib", "--", "-D", "warnings"],
               ["cargo", "clippy", "--lib", "--no-default-features", "--features", "mainline", "--", "-D", "warnings"],
               ["cargo", "clippy", "--all-targets", "--features", FEATURES[1] + ",netdev", "--", "-D", "warnings"])


def step_doc():
    return one("doc", ["cargo", "doc", "--no-deps", *FEATURES], env={"RUSTDOCFLAGS": "-D warnings"})


def step_rust():
    # Many of them wait most of the time. `make soak` tries more cases.
    env = {"RUST_TEST_THREADS": "4", "PROPTEST_CASES": "100"}
    return counted("rust", ["cargo", "test", "--no-fail-fast", *FEATURES], CARGO_COUNT, env)


def step_mainline():
    return counted("mainline", ["cargo", "test", "--no-fail-fast", *FEATURES, "--test", "mainline",
                                "--", "--test-threads=8"], CARGO_COUNT)


def step_loom():
    return counted("loom", ["cargo", "test", "--locked", "--manifest-path", "tests/loom/Cargo.toml", "--target-dir",
                            "target/loom"], CARGO_COUNT)


def step_tsan():
    def says(*args):
        return subprocess.run(["rustc", "+nightly", *args], capture_output=True, text=True, check=False).stdout.strip()

    host = re.search(r"^host: (.*)$", says("-vV"), re.M)
    if not host or not os.path.isdir(says("--print", "sysroot") + "/lib/rustlib/src/rust/library"):
        return Result(skipped=["needs a nightly compiler and its sources: rustup toolchain install nightly -c rust-src"])
    return counted("tsan", ["cargo", "+nightly", "test", "-Zbuild-std", "--target", host[1], "--target-dir", "target/tsan",
                            "--features", "server,testing", "--lib", "--",
                            "node::", "queue::", "os::", "--skip", "nat_probe"],
                   CARGO_COUNT, {"RUSTFLAGS": "-Zsanitizer=thread", "TSAN_OPTIONS": "exitcode=66"})


def step_lab():
    return counted("lab", ["cargo", "test", *FEATURES, "--test", "lab"])


def script(name, path, *args, tools=False):
    """A step that is a script of its own; with tools, one that starts our programs."""
    def step():
        if tools:
            run(name, BUILD)
        return counted(name, [sys.executable, path, *args])
    return step


def step_demo():
    return one("demo", BUILD, ["make", "demo"])


# What runs beside each other, about as long in each lane. Three on two cores, as much of it is waiting. Within a lane the order
# counts: the first builds in target/debug, the second begins with the library as users have it, the third needs both. The demo builds
# programs that the lab starts, so it is over when that begins.
LANES = (("fmt", "cformat", "clippy", "doc", "rust", "mainline", "install"),
         ("c", "abi", "demo", "lab", "namespace"),
         ("pyp2p", "python", "go", "node", "examples", "swift", "loom"))
STEPS = {
    "fmt": (step_fmt, "Rust is formatted"),
    "cformat": (step_cformat, "C and C++ are formatted"),
    "clippy": (step_clippy, "no lint warns"),
    "doc": (step_doc, "the documentation builds without a warning"),
    "rust": (step_rust, "unit, property, header, vector and server tests"),
    "mainline": (step_mainline, "networks without a server, by DHTs of our own on loopback"),
    "namespace": (script("namespace", "tests/namespace.py"), "alias labels, dead peers, silent name servers"),
    "loom": (step_loom, "the library's own lock and the turns at the runtime, in every order their threads may run in"),
    "lab": (step_lab, "real NATs and routers in network namespaces"),
    "c": (script("c", "tests/c/run.py", "all"), "the C ABI: both dialects, valgrind, exports"),
    "examples": (script("examples", "tests/examples/run.py", tools=True), "the examples compile and do what they say"),
    "install": (script("install", "tests/install/run.py", tools=True), "installed, found by pkg-config and CMake, packaged for Debian"),
    "abi": (script("abi", "tests/abi/run.py"), "the C ABI is still that of the last release"),
    "pyp2p": (script("pyp2p", "tests/pyp2p/run.py"), "the original PyP2P as the peer"),
    "python": (script("python", "tests/bindings/python.py", tools=True), "the Python binding, as a wheel in a fresh environment"),
    "demo": (step_demo, "make demo"),
    "go": (script("go", "tests/bindings/go.py", "--build", tools=True), "the Go binding: vet, race detector, examples"),
    "swift": (script("swift", "tests/bindings/swift.py", tools=True), "the Swift package, if there is a Swift: tests, examples"),
    "node": (script("node", "tests/bindings/node.py", tools=True), "the Node package, built, installed into a clean folder and tested there"),
}
# The long tests: the same programs, given more to do.
SOAK = {
    "lab": (lambda: counted("lab", ["cargo", "test", *FEATURES, "--test", "lab", "--", "run", "punch::"]),
            "punches alone, each pair of NATs twenty times"),
    "sim": (lambda: counted("sim", ["cargo", "test", "--release", "--test", "sim"], CARGO_COUNT,
                            {"SIM_SEEDS": "50000"}), "50,000 networks in virtual time"),
    "punch": (lambda: counted("punch", ["cargo", "test", "--release", "--test", "sim_punch", "whatever"],
                              CARGO_COUNT, {"SIM_SEEDS": "100000"}), "100,000 punches in unkind worlds"),
    "connect": (lambda: counted("connect", ["cargo", "test", "--release", "--test", "sim_connect", "whatever"],
                                CARGO_COUNT, {"SIM_SEEDS": "5000"}), "5,000 worlds in which nodes connect"),
    "session": (lambda: counted("session", ["cargo", "test", "--release", "--test", "sim_session"], CARGO_COUNT,
                                {"SIM_SEEDS": "50000"}), "50,000 pairs of nodes whose links are cut"),
    "recorded": (lambda: counted("recorded", ["cargo", "test", "--release", "--lib", "session::recorded"], CARGO_COUNT,
                                 {"RECORDED_BITS": "8"}), "every bit of a recorded talk changed"),
    "middle": (lambda: counted("middle", ["cargo", "test", *FEATURES, "--test", "secure", "machine_in_the_middle"], CARGO_COUNT,
                               {"EVERY_WISH": "1"}), "every byte of a talk changed, cut off at and repeated on its way"),
    "signal": (lambda: counted("signal", ["cargo", "test", "--release", "--test", "sim_signal"], CARGO_COUNT,
                               {"SIM_SEEDS": "2000"}), "2,000 networks in which nodes tell each other something by servers"),
    "sessions": (lambda: counted("sessions", ["cargo", "test", *FEATURES, "--test", "lab", "--", "run", "sessions::",
                                              "--times", "5"]), "links broken in the lab, each way five times"),
    "tsan": (step_tsan, "threads under ThreadSanitizer: the lease, the executor, the queue, the send buffer"),
    "asan": (script("asan", "tests/c/run.py", "asan"), "the C ABI under AddressSanitizer"),
    "swift": (script("swift", "tests/bindings/swift.py", "--chroot"), "the Swift package, in a Debian of its own if need be"),
    "embedded": (script("embedded", "tests/embedded/run.py"), "cross-built for ARM and musl, run under an emulator"),
    "proptest": (lambda: counted("proptest", ["cargo", "test", "--release", "--features", "server,testing", "--lib"],
                                 CARGO_COUNT, {"PROPTEST_CASES": "20000"}), "20,000 cases of every property"),
}


def install_packages():
    """As root, installs what the tests use and the machine lacks; else says what is missing."""
    packages = sorted({PACKAGES[p] for p in PACKAGES if not shutil.which(p)})
    if importlib.util.find_spec("ensurepip") is None:  # Debian has it apart
        packages.append("python3-venv")
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"not installed: {' '.join(packages)} (as root on Debian they would be); some tests will be skipped")
        return
    print(f"installing {' '.join(packages)} ...", flush=True)
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    status, _ = run("packages", ["apt-get", "install", "-y", "--no-install-recommends", *packages], env)
    if status != 0:
        run("packages", ["apt-get", "update"], env)
        run("packages", ["apt-get", "install", "-y", "--no-install-recommends", *packages], env)


TELLING = threading.Lock()


def work_through(names, table, total):
    """Runs steps one after the other, says how each went, and adds it up."""
    for name in names:
        function, what = table[name]
        start = time.monotonic()
        try:
            result = function()
        except Exception as why:  # a step that cannot run is a failure like others
            result = Result(failed=1)
            with (LOGS / f"{name}.log").open("a", encoding="utf-8") as out:
                out.write(f"{type(why).__name__}: {why}\n")
        with TELLING:
            tell(name, what, result, time.monotonic() - start)
            total.passed += result.passed
            total.failed += result.failed
            total.skipped += result.skipped
            if result.failed:
                total.failing.append(name)


def tell(name, what, result, seconds):
    """How a step went."""
    parts = [f"{result.passed} passed"]
    if result.failed:
        parts.append(f"{result.failed} FAILED")
    if result.skipped:
        parts.append(f"{len(result.skipped)} skipped")
    print(f"{name:10} {what}: {', '.join(parts)}  ({seconds:.0f} s)", flush=True)
    for reason in result.skipped:
        print(f"           skipped: {reason}")
    if result.failed:
        print(f"           whole output: {(LOGS / name).relative_to(ROOT)}.log", flush=True)


def what_failed(name):
    """Of the log of a step that failed, the places that say so; its end if none does."""
    log = LOGS / f"{name}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    shown, until = [], 0
    for at, line in enumerate(lines):
        if FAIL_LINE.match(line):
            until = at + TOLD_LINES
        if at < until:
            shown.append(line)
    shown = shown[:200] or lines[-60:]
    return "\n".join([f"what failed in {name}:", *(f"  | {line}" for line in shown)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--soak", action="store_true", help="the long tests")
    parser.add_argument("--list", action="store_true", help="what there is")
    options = parser.parse_args()
    table = SOAK if options.soak else STEPS
    if options.list:
        for name, (_, what) in table.items():
            print(f"{name:10} {what}")
        return 0
    if sorted(name for lane in LANES for name in lane) != sorted(STEPS):
        parser.error("LANES does not name each step of STEPS once")
    unknown = [s for s in options.steps if s not in table]
    if unknown:
        parser.error(f"no step {', '.join(unknown)}; there are: {', '.join(table)}")
    if not (ROOT / "target" / "debug" / "incremental").exists():
        # Nothing was built here yet, so there is nothing to be gained by what makes the next build faster, or debugging easier.
        os.environ.setdefault("CARGO_INCREMENTAL", "0")
        os.environ.setdefault("CARGO_PROFILE_DEV_DEBUG", "false")
    if table is STEPS:
        os.environ["TOOLS"] = TOOLS
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    install_packages()
    total = Result()
    begun = time.monotonic()
    print("each step is told when it has ended ...", flush=True)
    lanes = [options.steps] if options.steps else LANES if table is STEPS else [table]
    workers = [threading.Thread(target=work_through, args=(lane, table, total)) for lane in lanes]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for name in total.failing:
        print("\n" + what_failed(name))
    print(f"\n{time.monotonic() - begun:.0f} s in all")
    print(f"{total.passed} passed, {total.failed} failed, {len(total.skipped)} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
