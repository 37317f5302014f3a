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
TARGETS = {
    NATIVE: {"cc": ["gcc"], "packages": [], "std": False},
    "aarch64-unknown-linux-gnu": {
        "cc": ["aarch64-linux-gnu-gcc"], "packages": ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        "emulator": "qemu-aarch64-static", "std": True},
    "armv7-unknown-linux-gnueabihf": {
        "cc": ["arm-linux-gnueabihf-gcc"], "packages": ["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"],
        "emulator": "qemu-arm-static", "std": True},
    "x86_64-unknown-linux-musl": {"zig": "x86_64-linux-musl", "packages": [], "std": True},
    "armv7-unknown-linux-musleabihf": {"zig": "arm-linux-musleabihf", "packages": [], "emulator": "qemu-arm-static", "std": True},
}

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
    """The command of zig, from its Python package, in a folder of our own."""
    folder = WORK / "zig"
    if not (folder / "bin/python").exists():
        try:
            run([sys.executable, "-m", "venv", folder])
            run([folder / "bin/pip", "install", "-q", "ziglang", "cargo-zigbuild"])
        except RuntimeError as why:
            shutil.rmtree(folder, ignore_errors=True)
            raise Skip(f"zig is not to be had: {str(why).splitlines()[-1]}") from why
    return folder / "bin"


def library(target, about):
    """Builds the static library; gives its path and the seconds it took."""
    env, command = {"CARGO_TARGET_DIR": str(WORK)}, list(BUILD)
    if about["std"]:
        missing = [package for path, package in DEBIAN_RUST.items() if not there(path)]
        install(missing)
        env.update(RUSTC="/usr/bin/rustc", RUSTC_BOOTSTRAP="1")
        command += ["-Zbuild-std=std"]
    if target != NATIVE:
        command += ["--target", target]
    if "zig" in about:
        bin_ = zig()
        env["PATH"] = f"{bin_}:{os.environ['PATH']}"
        command = [bin_ / "cargo-zigbuild", *command[1:]]
    elif about["cc"] != ["gcc"]:
        env[f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"] = about["cc"][0]
    began = time.monotonic()
    run(command, env)
    folder = WORK / (target if target != NATIVE else "") / "small"
    return folder / "libp2pnet.a", time.monotonic() - began


def program(target, about, archive):
    """The test's program, linked without any shared library."""
    out = WORK / f"node-{target}"
    cc = [zig() / "python", "-m", "ziglang", "cc", "-target", about["zig"]] if "zig" in about else about["cc"]
    libs = ["-lunwind"] if "zig" in about else ["-lpthread", "-ldl", "-lm"]
    run([*cc, "-std=gnu11", "-Os", "-static", "-Wall", "-Wextra", "-I", ROOT / "include", HERE / "node.c", archive, *libs,
         "-s", "-Wl,--gc-sections", "-o", out])
    return out


def stripped(target, about, archive):
    """Bytes of the archive without debug information and bitcode, as make install has it."""
    out = WORK / f"libp2pnet-{target}.a"
    run(["objcopy" if target.startswith("x86_64") or not shutil.which("llvm-objcopy") and "zig" in about
         else about.get("cc", ["objcopy"])[0].replace("-gcc", "-objcopy").replace("gcc", "objcopy"),
         "-D", "-g", "-R", ".llvmbc", "-R", ".llvmcmd", archive, out])
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


def measure(native):
    """Resident memory of a node alone, and with 100 connections."""
    for dialect in ["classic", "secure"]:
        with Process([native, dialect, "serve", "127.0.0.2"]) as server:
            port = server.wait_for(r"^port (\d+)")[1]
            idle = rss(server)
            with Process([native, dialect, "call", "127.0.0.3", f"127.0.0.2:{port}", "100"]) as crowd:
                crowd.wait_for("^connected 100$")
                crowd.wait_for("^ok$")
                full = rss(server)
                crowd._process.stdin.close()
                crowd.ended()
        say(f"# {dialect}: {idle} KB idle, {full} KB with 100 connections")
        memory.append((dialect, idle, full))
        count(idle < 8 * 1024 and full < 64 * 1024, f"memory of a {dialect} node stays small", f"{idle} and {full} KB")


def try_target(target, about, native):
    if about.get("emulator") and not shutil.which(about["emulator"]):
        install(["qemu-user-static"])
    if about.get("cc") and not shutil.which(about["cc"][0]):
        install(about["packages"])
    archive, seconds = library(target, about)
    binary = program(target, about, archive)
    kind = run(["readelf", "-hdW", binary])
    count("NEEDED" not in kind and ("ELF32" in kind) == target.startswith("arm"), f"{target}: linked without shared libraries", kind)
    rows.append((target, stripped(target, about, archive), binary.stat().st_size))
    say(f"# {target}: library {rows[-1][1]:,}, program {rows[-1][2]:,} bytes, built in {seconds:.0f} s")
    command = [about["emulator"], binary] if about.get("emulator") else [binary]
    native = native or binary
    for dialect in ["classic", "secure"]:
        talk(f"{target} answers a native node, {dialect}", dialect, command, [native])
        talk(f"{target} calls a native node, {dialect}", dialect, [native], command)
    return binary


def table():
    lines = ["| target | static library, stripped | C program, fully static |", "|---|---|---|"]
    lines += [f"| {t} | {a:,} | {b:,} |" for t, a, b in rows]
    lines += ["", "| dialect | idle | with 100 connections |", "|---|---|---|"]
    lines += [f"| {d} | {i:,} KB | {f:,} KB |" for d, i, f in memory]
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
            binary = try_target(target, about, native)
            if target == NATIVE:
                native = binary
                measure(native)
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
