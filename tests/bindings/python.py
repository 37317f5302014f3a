#!/usr/bin/env python3
"""The Python binding as a user has it: the wheel is built, installed into a fresh environment, and tested there.

  python.py                     builds the library and the server (make lib server), the wheel, and runs every test
  python.py WORD...             only tests with one of the words in their name
  python.py --no-build          with what is built; P2PNET_LIBRARY and P2PNET_SERVER may name other files
  python.py --python PROGRAM    in that Python (again for several) instead of this one

The last line is "N passed, M failed, K skipped"; exit status 0 only if nothing failed. Nothing is downloaded.
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
from common.process import TOOLS  # noqa: E402

BINDING = ROOT / "bindings" / "python"
WORK = ROOT / "target" / "python"
SERVER = TOOLS / "p2p-rendezvous"
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
# A run of the tests takes less than a minute; after this it hangs.
WATCHDOG = 1200


class Failed(Exception):
    """A step on the way to the tests has failed; the message says which."""


def step(what, command, **more):
    """Runs a step, and gives its output."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **more)
    if done.returncode != 0:
        raise Failed(f"{what}:\n{done.stdout}")
    return done.stdout


def clean_environment():
    """Nothing of this process's Python and library may help."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "P2PNET_LIBRARY", "P2PNET_RENDEZVOUS", "P2PNET_DHT_MSG", "P2PNET_FORWARDING",
              "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
    env = {k: v for k, v in os.environ.items() if k not in hidden}
    return {**env, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1"}


def why_not(base):
    """Why a Python cannot make environments, or None."""
    asked = subprocess.run([base, "-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 9))"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if asked.returncode == 0:
        return None
    return (asked.stderr.strip().splitlines() or ["it is older than 3.9"])[-1] + " (Debian: python3-venv)"


def wheel(python, folder):
    """The wheel, as `pip wheel` makes it with no network."""
    step("building the wheel", [python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, BINDING],
         env={**clean_environment(), **{k: v for k, v in os.environ.items() if k == "P2PNET_LIBRARY"}})
    built = list(folder.glob("*.whl"))
    if len(built) != 1:
        raise Failed(f"expected one wheel, found {built}")
    return built[0]


def test(base, words):
    """Installs the wheel for one Python and runs the tests; (passed, failed, skipped)."""
    folder = WORK / Path(base).name
    shutil.rmtree(folder, ignore_errors=True)
    step("making a virtual environment", [base, "-m", "venv", folder / "venv"], env=clean_environment())
    python = folder / "venv" / "bin" / "python"
    made = wheel(python, folder / "dist")
    step("installing the wheel", [python, "-m", "pip", "install", made], env=clean_environment())
    env = {**clean_environment(), "P2PNET_SERVER": os.environ.get("P2PNET_SERVER", str(SERVER))}
    done = subprocess.run([str(python), "-X", "dev", BINDING / "tests" / "run_tests.py", *words], cwd=folder, env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=WATCHDOG, check=False)
    print(COUNT.sub("", done.stdout).rstrip(), flush=True)
    count = COUNT.search(done.stdout)
    if count is None:
        raise Failed(f"the tests ended with {done.returncode} and did not count what they did")
    passed, failed, skipped = map(int, count.groups())
    return passed, failed or int(done.returncode != 0), skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--no-build", action="store_true", help="do not run make")
    parser.add_argument("--python", action="append", metavar="PROGRAM")
    options = parser.parse_args()
    counts = [0, 0, 0]
    try:
        if not options.no_build:
            step("make lib server", ["make", "-s", "lib", "server"], cwd=ROOT)
        for base in options.python or [sys.executable]:
            reason = why_not(base)
            if reason:
                print(f"skipped: the Python binding with {base}: {reason}")
                counts[2] += 1
                continue
            counts = [a + b for a, b in zip(counts, test(base, options.words))]
    except (Failed, OSError, subprocess.TimeoutExpired) as why:
        print(f"FAIL {why}")
        counts[1] += 1
    print("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if counts[1] or not counts[0] + counts[2] else 0


if __name__ == "__main__":
    sys.exit(main())
