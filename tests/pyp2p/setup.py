#!/usr/bin/env python3
"""Makes a virtual environment with the original PyP2P 0.8.3 from PyPI, for the tests beside this file.

  setup.py [DIR]     default: target/pyp2p-venv

Prints the path of its Python and exits 0. Exits 3, with the reason on standard error, where that cannot be had: no
Python 3.8 to 3.11, no C compiler (netifaces is compiled), no way to PyPI. Running it again is cheap; PYTHON chooses the
interpreter. This is no setuptools script.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT = HERE.parent.parent / "target" / "pyp2p-venv"
PYTHONS = ["python3.11", "python3.10", "python3.9", "python3.8", "python3"]
# PyP2P imports Node from here; nothing else of the package is used.
WITHOUT_DEPENDENCIES = ["storjkademlia==0.7.4"]
CANNOT = 3


class Cannot(Exception):
    """The original cannot be installed here; the message says why."""


def is_suitable(python):
    """Whether `python` runs and is of a version that the original runs on."""
    check = "import sys, venv; sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 11))"
    try:
        return subprocess.run([python, "-c", check], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def find_python():
    """A suitable interpreter."""
    named = os.environ.get("PYTHON")
    for python in [named] if named else PYTHONS:
        if shutil.which(python) and is_suitable(python):
            return python
    raise Cannot("PyP2P 0.8.3 needs Python 3.8 to 3.11 with venv, and there is none "
                 f"(looked for {named or ', '.join(PYTHONS)})")


def step(what, command):
    """Runs one step of the installation."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Cannot(f"{what}: {e}") from e
    if done.returncode != 0:
        told = [line for line in done.stdout.splitlines() if "error" in line.lower()] or done.stdout.splitlines()
        raise Cannot(f"{what} failed (is PyPI reachable?): {told[-1].strip() if told else 'it said nothing'}")


def install(folder):
    """Makes the environment in `folder`, unless it is there already, and gives the path of its Python."""
    wanted = (HERE / "requirements.txt").read_text(encoding="utf-8") + "\n".join(WITHOUT_DEPENDENCIES)
    python, stamp = folder / "bin" / "python", folder / "pyp2p-is-installed"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    base = find_python()
    # What an interrupted or older run left may be of any kind.
    shutil.rmtree(folder, ignore_errors=True)
    step("making a virtual environment", [base, "-m", "venv", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    step("installing PyP2P from PyPI", [*pip, "-r", str(HERE / "requirements.txt")])
    step("installing PyP2P from PyPI", [*pip, "--no-deps", *WITHOUT_DEPENDENCIES])
    step("importing PyP2P", [str(python), "-W", "ignore", str(HERE / "compat.py")])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 2
    folder = Path(sys.argv[1]).resolve() if sys.argv[1:] else DEFAULT
    try:
        print(install(folder))
    except Cannot as e:
        print(f"skip: {e}", file=sys.stderr)
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
