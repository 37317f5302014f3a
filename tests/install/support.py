"""What the checks of the installed library have in common."""
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
WORK = ROOT / "target" / "install-test"
PREFIX = WORK / "prefix"
CONSUMERS = ROOT / "tests" / "c" / "consumer"
WARN = ["-Wall", "-Wextra", "-Werror"]
VERSION = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
SONAME = "libp2pnet.so.0"
HUNG = 600
CHECKS = []


class Skip(Exception):
    """Why a check cannot run here."""


def check(function):
    CHECKS.append((function.__name__, function))
    return function


def need(*programs):
    absent = [p for p in programs if not shutil.which(p)]
    if absent:
        raise Skip(f"{', '.join(absent)} not installed")


def run(command, cwd=None, env=None, status=0):
    """Runs a program to its end, expects that exit status (None: any), and gives its output."""
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd or ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HUNG, check=False)
    text = done.stdout.decode("utf-8", "replace")
    assert status is None or done.returncode == status, f"{' '.join(command)} ended with {done.returncode}:\n{text}"
    return text


def make(target, *settings):
    return run(["make", "-s", target, *settings, "BUILT=1"])


def tree(top):
    """Every file and link below a folder, by its path from there."""
    return sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_symlink() or not p.is_dir())


def fresh(name):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def in_prefix(lib="lib", prefix=PREFIX):
    """The environment in which the installed library is found."""
    return {"PKG_CONFIG_PATH": str(prefix / lib / "pkgconfig"), "LD_LIBRARY_PATH": str(prefix / lib)}


def pkg_config(*asked, env=None):
    need("pkg-config")
    return run(["pkg-config", *asked], env=env or in_prefix()).split()
