#!/usr/bin/env python3
"""Tests p2pnet against the original PyP2P 0.8.3, installed from PyPI.

  run.py                  builds the library and the server, installs the original, runs every test
  run.py WORD...          only tests whose name contains one of the words
  run.py --list           the tests
  run.py --no-build       with what is built; P2PNET_LIB and P2PNET_SERVER may name other files
  run.py --venv DIR       with the original installed there (setup.py), for instance for another Python

Each test is a process of its own, with addresses of its own under 127/8 or, if NATs are needed, a network of its own of
namespaces (as root; else these tests are skipped). The last line is
"N passed, N failed, N skipped"; exit status 0 only if nothing failed. Where the original cannot be installed (no
Python 3.8 to 3.11, no compiler, no PyPI), all tests are skipped and the reason is told.
"""
import argparse
import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent))
from common.debug import BUILD, LIBRARY, SERVER  # noqa: E402

# A test that takes longer hangs.
TEST_WATCHDOG = 400
MODULES = ["test_servers", "test_requests", "test_lines", "test_direct", "test_dedup", "test_http", "test_unl",
           "test_nat", "test_mailbox"]
WORKERS = 4


def load_cases():
    for module in MODULES:
        __import__(module)
    from cases import CASES
    return CASES


def needs_namespaces(case):
    """Whether a test makes a network of its own."""
    return getattr(sys.modules[case.__module__], "NAMESPACES", False)


def child(name, network):
    """Runs one test in this process. Gives the exit status."""
    from world import World
    case = load_cases()[name]
    if needs_namespaces(case):
        import natnet
        natnet.enter()
    world = World(network)
    try:
        case(world)
    except BaseException:
        traceback.print_exc()
        for line in world.logs():
            print(f"  | {line}", file=sys.stderr)
        return 1
    finally:
        world.end()
        world.clean()
    return 0


def run_one(name, network):
    """Runs one test in a process group of its own, of which nothing is left afterwards."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-B", __file__, "--child", name, network], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=TEST_WATCHDOG)
        hung = False
    except subprocess.TimeoutExpired:
        hung = True
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if hung:
        output, _ = process.communicate()
        output += f"hung: not finished in {TEST_WATCHDOG} s\n".encode()
    seconds = time.monotonic() - start
    return process.returncode == 0 and not hung, seconds, output.decode("utf-8", "replace")


def own_network():
    """A "127.N" that no other run of these tests uses, and the socket that claims it."""
    for second in range(77, 250):
        claim = socket.socket()
        try:
            claim.bind((f"127.{second}.255.254", 24443))
            claim.listen()
            return f"127.{second}", claim
        except OSError:
            claim.close()
    raise SystemExit("no 127.N.0.0/16 is free; are other runs left?")


def name_files():
    """Where library and server are, unless the environment says it."""
    os.environ.setdefault("P2PNET_LIB", str(LIBRARY))
    os.environ.setdefault("P2PNET_SERVER", str(SERVER))


def build():
    return subprocess.run(BUILD, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode == 0


def install(folder):
    """The Python that has the original, or None; and if it cannot be had here, why."""
    command = [sys.executable, "-B", str(HERE / "setup.py"), *([folder] if folder else [])]
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip(), None
    told = done.stderr.strip()
    if done.returncode == 3 and told.startswith("skip: "):
        return None, told[len("skip: "):]
    print(told)
    return None, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--list", action="store_true", help="the tests")
    parser.add_argument("--no-build", action="store_true", help="do not run cargo")
    parser.add_argument("--venv", metavar="DIR", help="where the original is or shall be installed")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    name_files()
    if options.child:
        return child(*options.child)
    if not options.no_build and not build():
        print("cargo build failed\n0 passed, 1 failed, 0 skipped")
        return 1
    cases = load_cases()
    names = [n for n in cases if not options.words or any(w in n for w in options.words)]
    if options.list:
        for name in names:
            print(f"{name:42} {(cases[name].__doc__ or '').strip().splitlines()[0]}")
        return 0
    python, reason = install(options.venv)
    if python is None and reason is None:
        print("setup.py failed\n0 passed, 1 failed, 0 skipped")
        return 1
    if python is None:
        for name in names:
            print(f"skipped: {name}: {reason}")
        print(f"0 passed, 0 failed, {len(names)} skipped")
        return 0
    os.environ["PYP2P_PYTHON"] = python
    import natnet
    reason = natnet.why_not()
    skipped = [n for n in names if reason and needs_namespaces(cases[n])]
    for name in skipped:
        print(f"skipped: {name}: {reason}")
        names.remove(name)
    network, claim = own_network()
    passed = failed = 0
    with claim, concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        running = {pool.submit(run_one, n, f"{network}.{list(cases).index(n) + 1}"): n for n in names}
        for future in concurrent.futures.as_completed(running):
            good, seconds, output = future.result()
            print(f"{'ok  ' if good else 'FAIL'} {running[future]} ({seconds:.1f} s)", flush=True)
            if good:
                passed += 1
            else:
                failed += 1
                print("".join(f"    {line}\n" for line in output.splitlines()), flush=True)
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    return 1 if failed or not passed + len(skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
