#!/usr/bin/env python3
"""The library for small devices: cross-built, linked into a program without any shared library, run under an emulator against a
native node, and measured.

  tests/embedded/run.py [TARGET...] [--table FILE]

As root on Debian it installs what it needs; what cannot be had is a skip with its reason. Everything is built in
target/embedded/. --table writes the table of docs/embedded.md. Ends with "N passed, N failed, N skipped".
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from common.checks import Skip, Tally  # noqa: E402
from common.process import Process  # noqa: E402

HERE = Path(__file__).resolve().parent
WORK = ROOT / "target" / "embedded"
BUILD = ["cargo", "rustc", "--lib", "--crate-type", "staticlib", "--profile", "small", "--no-default-features",
         "--features", "embedded"]
# Debian's compiler for web programs has sources of the same version: the standard library can be built for any target.
DEBIAN_RUST = {"/usr/bin/rustc": "rustc-web", "/usr/src/rustc-*/library/std/Cargo.toml": "rust-web-src"}
NATIVE = "x86_64-unknown-linux-gnu"
ARM64, ARM32 = "qemu-aarch64-static", "qemu-arm-static"
# What links a program: Debian's compilers for glibc, zig for musl.
TARGETS = {
    NATIVE: {"cc": ["gcc"]},
    "aarch64-unknown-linux-gnu": {
        "cc": ["aarch64-linux-gnu-gcc"], "packages": ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"], "emulator": ARM64},
    "armv7-unknown-linux-gnueabihf": {
        "cc": ["arm-linux-gnueabihf-gcc"], "packages": ["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"], "emulator": ARM32},
    "x86_64-unknown-linux-musl": {"zig": "x86_64-linux-musl"},
    "aarch64-unknown-linux-musl": {"zig": "aarch64-linux-musl", "emulator": ARM64},
    "armv7-unknown-linux-musleabihf": {"zig": "arm-linux-musleabihf", "emulator": ARM32},
}
OBJCOPY = {"x86_64": "objcopy", "aarch64": "aarch64-linux-gnu-objcopy", "armv7": "arm-linux-gnueabihf-objcopy"}

tally, rows, memory = Tally(), [], []
count = tally.count


def say(text):
    print(text, flush=True)


def run(command, env=None):
    done = subprocess.run([str(c) for c in command], cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def install(packages):
    """Debian packages, if they can be had."""
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Skip(f"not installed: {' '.join(packages)} (as root on Debian they would be)")
    say(f"installing {' '.join(packages)} ...")
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    try:
        run(command, {"DEBIAN_FRONTEND": "noninteractive"})
    except RuntimeError:
        try:
            run(["apt-get", "update"])
            run(command, {"DEBIAN_FRONTEND": "noninteractive"})
        except RuntimeError as why:
            raise Skip(f"cannot be installed: {' '.join(packages)}: {str(why).splitlines()[-1]}") from why


def there(pattern):
    return any(Path("/").glob(pattern.lstrip("/")))


def zig():
    """The command of zig's C compiler, from its Python package, in a folder of our own."""
    folder = WORK / "zig"
    if not (folder / "bin/python").exists():
        try:
            run([sys.executable, "-m", "venv", folder])
            run([folder / "bin/pip", "install", "-q", "ziglang"])
        except RuntimeError as why:
            shutil.rmtree(folder, ignore_errors=True)
            raise Skip(f"zig is not to be had: {str(why).splitlines()[-1]}") from why
    return [folder / "bin/python", "-m", "ziglang", "cc"]


def library(target):
    """Builds the static library; gives its path and the seconds it took. Nothing is linked, so no linker of the target is needed."""
    env, command = {"CARGO_TARGET_DIR": str(WORK)}, list(BUILD)
    if target != NATIVE:
        install([package for path, package in DEBIAN_RUST.items() if not there(path)])
        env.update(RUSTC="/usr/bin/rustc", RUSTC_BOOTSTRAP="1")
        command += ["-Zbuild-std=std", "--target", target]
    began = time.monotonic()
    run(command, env)
    folder = WORK / (target if target != NATIVE else "") / "small"
    return folder / "libp2pnet.a", time.monotonic() - began


def program(target, about, archive):
    """The test's program, linked without any shared library."""
    out = WORK / f"node-{target}"
    # The unwinder: gcc links its own, with -static as well; zig has one for the asking.
    cc, libs = ([*zig(), "-target", about["zig"]], ["-lunwind"]) if "zig" in about else (about["cc"], ["-lpthread", "-ldl", "-lm"])
    run([*cc, "-std=gnu11", "-Os", "-static", "-Wall", "-Wextra", "-I", ROOT / "include", HERE / "node.c", archive, *libs,
         "-s", "-Wl,--gc-sections", "-o", out])
    return out


def stripped(target, archive):
    """Bytes of the archive without debug information and bitcode; None if there is no tool for it."""
    objcopy = OBJCOPY[target.split("-")[0]]
    if not shutil.which(objcopy):
        return None
    out = WORK / f"libp2pnet-{target}.a"
    run([objcopy, "-D", "-g", "-R", ".llvmbc", "-R", ".llvmcmd", archive, out])
    return out.stat().st_size


def talk(what, dialect, server, client):
    """A server and a client, each with the command that runs it; both have to end well."""
    with Process([*server, dialect, "serve", "127.0.0.2"]) as first:
        port = first.wait_for(r"^port (\d+)")[1]
        with Process([*client, dialect, "call", "127.0.0.3", f"127.0.0.2:{port}", "1"]) as second:
            second.wait_for("^ok$")
            second._process.stdin.close()
            both = second.ended(), first.ended()
    count(both == (0, 0), what, both)


def rss(process):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process._process.pid}/status").read_text())[1])


def measure(target, binary):
    """Resident memory of a node alone, and with 100 connections."""
    for dialect in ["classic", "secure"]:
        with Process([binary, dialect, "serve", "127.0.0.2"]) as server:
            port = server.wait_for(r"^port (\d+)")[1]
            idle = rss(server)
            with Process([binary, dialect, "call", "127.0.0.3", f"127.0.0.2:{port}", "100"]) as crowd:
                crowd.wait_for("^connected 100$")
                crowd.wait_for("^ok$")
                full = rss(server)
                crowd._process.stdin.close()
                crowd.ended()
        say(f"# {target}, {dialect}: {idle} KB idle, {full} KB with 100 connections")
        memory.append((target, dialect, idle, full))
        count(idle < 8 * 1024 and full < 64 * 1024, f"{target}: memory of a {dialect} node stays small", f"{idle} and {full} KB")


def try_target(target, about, native):
    """Builds and runs; gives the command of the node for this target."""
    emulator = about.get("emulator")
    if emulator and not shutil.which(emulator):
        install(["qemu-user-static"])
    if "cc" in about and not shutil.which(about["cc"][0]):
        install(about["packages"])
    archive, seconds = library(target)
    binary = program(target, about, archive)
    kind = run(["readelf", "-hdW", binary])
    count("NEEDED" not in kind and ("ELF32" in kind) == target.startswith("arm"), f"{target}: linked without shared libraries", kind)
    size = stripped(target, archive)
    rows.append((target, f"{size:,}" if size else "", f"{binary.stat().st_size:,}"))
    say(f"# {target}: library {rows[-1][1]}, program {rows[-1][2]} bytes, built in {seconds:.0f} s")
    command = [emulator, binary] if emulator else [binary]
    native = native or command
    for dialect in ["classic", "secure"]:
        talk(f"{target} answers a native node, {dialect}", dialect, command, native)
        talk(f"{target} calls a native node, {dialect}", dialect, native, command)
    if not emulator:
        measure(target, binary)
    return command


def table():
    """As docs/embedded.md has it."""
    lines = ["| target | static library | program |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "| target, dialect | idle | with 100 connections |", "|---|---|---|"]
    lines += [f"| {t}, {d} | {i / 1024:.1f} MB | {f / 1024:.1f} MB |" for t, d, i, f in memory]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    WORK.mkdir(parents=True, exist_ok=True)
    native = None
    for target, about in TARGETS.items():
        if options.targets and target not in options.targets and target != NATIVE:
            continue
        try:
            command = try_target(target, about, native)
            native = command if target == NATIVE else native
        except Skip as why:
            tally.skip(target, why)
        except (RuntimeError, AssertionError, OSError) as why:
            count(False, target, str(why))
    say("\n" + table())
    if options.table:
        options.table.write_text(table())
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
