#!/usr/bin/env python3
"""Builds the wheel: the package, and the library inside. Also what pip calls (PEP 517).

  build_backend.py [--library FILE] [--out FOLDER]       prints the wheel's path

The library is target/release/libp2pnet.so, as `make lib` leaves it, unless --library or P2PNET_LIBRARY names another one. The wheel
is named after the machine and the C library that the library is for, so one for another machine can be made as well, and pip takes
it nowhere where it would not load.
"""
import argparse
import base64
import hashlib
import os
import platform
import re
import struct
import sys
import sysconfig
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
#: e_machine of an ELF file, and whether it has 64 bits: what Python calls such machines.
MACHINES = {(62, True): "x86_64", (183, True): "aarch64", (40, False): "armv7l", (3, False): "i686",
            (243, True): "riscv64", (21, True): "ppc64le", (22, True): "s390x"}
NAMES = {"darwin": "libp2pnet.dylib", "win32": "p2pnet.dll"}
LIBRARY = NAMES.get(sys.platform, "libp2pnet.so")


class CannotBuild(Exception):
    """Why there is no wheel."""


def version():
    text = (HERE / "src" / "p2pnet" / "constants.py").read_text(encoding="utf-8")
    return re.search(r'^VERSION = "(.*)"', text, re.M)[1]


def library(given=None):
    """The file that goes into the wheel."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = Path(given or os.environ.get("P2PNET_LIBRARY") or target / "release" / LIBRARY)
    if not path.is_file():
        raise CannotBuild(f"{path} is not there: run `make lib` at the top of the source tree first, or name the library by "
                          "P2PNET_LIBRARY")
    return path


def platform_tag(path):
    """What the wheel is for, by the library's head and the newest glibc it names (PEP 600): "manylinux_2_34_x86_64"."""
    whole = path.read_bytes()
    head = whole[:20]
    if head[:4] != b"\x7fELF":
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    order = "<" if head[5] == 1 else ">"
    machine = struct.unpack(order + "H", head[18:20])[0]
    name = MACHINES.get((machine, head[4] == 2))
    if name is None:
        raise CannotBuild(f"{path} is for a machine that this script does not know (ELF {machine})")
    glibc = [tuple(map(int, found)) for found in re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", whole)]
    if glibc:
        return "manylinux_{}_{}_{}".format(*max(glibc), name)
    system = "linux" if sys.platform == "linux" else re.sub(r"[-.]", "_", platform.system().lower())
    return f"{system}_{name}"


def metadata():
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    project = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    summary = re.search(r'^description = "(.*)"', project, re.M)[1]
    return (f"Metadata-Version: 2.1\nName: p2pnet\nVersion: {version()}\nSummary: {summary}\nLicense: MIT\n"
            "Requires-Python: >=3.9\nClassifier: Programming Language :: Python :: 3\nClassifier: Topic :: Internet\n"
            "Classifier: Typing :: Typed\n"
            f"Description-Content-Type: text/markdown\n\n{readme}")


def build(out, given=None):
    """Writes the wheel and gives its path. The same sources give the same bytes."""
    so = library(given)
    tag = f"py3-none-{platform_tag(so)}"
    info = f"p2pnet-{version()}.dist-info"
    files = {str(p.relative_to(HERE / "src").as_posix()): p.read_bytes()
             for p in sorted((HERE / "src").rglob("*")) if p.suffix in (".py", ".typed")}
    files[f"p2pnet/{so.name if so.suffix != '.so' else 'libp2pnet.so'}"] = so.read_bytes()
    files[f"{info}/METADATA"] = metadata().encode("utf-8")
    files[f"{info}/WHEEL"] = (f"Wheel-Version: 1.0\nGenerator: p2pnet build_backend\nRoot-Is-Purelib: false\nTag: {tag}\n").encode()
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = ("".join(record) + f"{info}/RECORD,,\n").encode()
    Path(out).mkdir(parents=True, exist_ok=True)
    wheel = Path(out) / f"p2pnet-{version()}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            archive.writestr(entry, data)
    return wheel


# PEP 517.

def get_requires_for_build_wheel(config_settings=None):
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return build(wheel_directory, (config_settings or {}).get("library")).name


def build_sdist(sdist_directory, config_settings=None):
    raise CannotBuild("there is no source package: the library is built from the whole source tree. Build a wheel.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", metavar="FILE")
    parser.add_argument("--out", metavar="FOLDER", default=str(ROOT / "target" / "python"))
    options = parser.parse_args()
    try:
        print(build(options.out, options.library))
    except CannotBuild as why:
        print(f"build_backend.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
