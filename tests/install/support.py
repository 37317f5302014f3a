"""What the checks of the installed library have in common."""
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common import process  # noqa: E402
from common.checks import CHECKS, Skip, check  # noqa: E402,F401

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
WORK = ROOT / "target" / "install-test"
PREFIX = WORK / "prefix"
CONSUMERS = ROOT / "tests" / "c" / "consumer"
WARN = ["-Wall", "-Wextra", "-Werror"]
VERSION = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
SONAME = "libp2pnet.so.0"


def need(*programs):
    absent = [p for p in programs if not shutil.which(p)]
    if absent:
        raise Skip(f"{', '.join(absent)} not installed")


def run(command, cwd=ROOT, env=None, status=0):
    return process.run(command, status, cwd, env)


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
