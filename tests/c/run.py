#!/usr/bin/env python3
"""Runs the tests of the C ABI: builds the library and the programs in this folder, and runs them.

    run.py [plain|classic|bare|valgrind|asan|symbols|consumer|all] [--release] [--only PROGRAM]

plain     the programs as they are, full load: nets speak the secure dialect unless a test says otherwise
classic   smaller loads once more, nets speak the classic dialect unless a test says otherwise
bare      what depends on the library's optional parts, with a library that has none of them
valgrind  smaller loads under valgrind, with the optimised library as users have it: no error, no leak
asan      AddressSanitizer, LeakSanitizer and UBSan; the library too where a nightly compiler is installed
symbols   what the shared library exports is what the header declares and symbols-in-versions lists; its soname
consumer  the header and the libraries, shared and static, with gcc and g++
all       all of these but asan, which `make soak` runs: with it the library is built once more

The last line is "N passed, N failed, N skipped"; the exit code is 0 if nothing failed. A tool that is missing is a skip
with its reason. --release takes the optimised library, as users have it, for plain, classic and consumer.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = sorted(p.stem for p in HERE.glob("*.c"))
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
SYSTEM = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]
TRIPLE = "x86_64-unknown-linux-gnu"
# Load in per cent of the full one, and minutes until a program counts as hung.
LOAD = {"plain": 100, "classic": 20, "bare": 100, "valgrind": 2, "asan": 5}
HUNG = 1800
# What p2p_features() tells: PCP and NAT-PMP are always there, the rest by cargo feature.
ALWAYS, OPTIONAL = 8 | 4, {"upnp": 2, "reach": 1 << 16, "mainline": 1 << 17, "relay": 1 << 18}
BARE = ["settings", "report", "dht"]

passed, failed, skips = 0, 0, []


def say(text):
    print(text, flush=True)


def count(ok, what, output=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        say(f"not ok {what}")
        say("".join(f"    {line}\n" for line in output.strip().splitlines()[-60:]))
    return ok


def skip(what, why):
    skips.append(f"{what}: {why}")


def run(command, **more):
    """The exit code (None if it hung) and all output."""
    try:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=HUNG, cwd=ROOT, **more)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b""
        return None, (out if isinstance(out, str) else out.decode(errors="replace")) + f"\nhung: {HUNG} s"


def must(command, **more):
    code, out = run(command, **more)
    if code != 0:
        say(out)
        sys.exit(f"{' '.join(str(c) for c in command)}: failed")
    return out


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build(release=False, bare=False):
    """The folder with the library. With these features little is compiled that the other steps of `make test` do not
    compile, too; what a program sees of them is one bit."""
    usual = ["--features", "server,testing,cli,mainline"]
    features = ["--no-default-features", "--features", "testing"] if bare else usual
    # The other library has the same name: in the same folder it would be taken by what is built beside us.
    folder = target() / "bare" if bare else target()
    must(["cargo", "build", "--lib", "--target-dir", folder, *features] + (["--release"] if release else []))
    return folder / ("release" if release else "debug")


def build_for_users():
    """The folder with the optimised library: for valgrind, which is slow enough."""
    must(["make", "-s", "lib"])
    return target() / "release"


def default_features():
    """What p2p_features() of the library that is built by default has to be."""
    listed = re.search(r"^default = \[(.*)\]", (ROOT / "Cargo.toml").read_text(), re.M)[1]
    return ALWAYS | sum(OPTIONAL.get(name, 0) for name in re.findall(r'"(\w+)"', listed))


def with_mainline():
    """The same of what build() builds."""
    return {"CHECK_FEATURES": str(default_features() | OPTIONAL["mainline"])}


def build_asan():
    """The folder with a library that AddressSanitizer watches, or None."""
    code, _ = run(["cargo", "+nightly", "--version"])
    if code != 0:
        skip("AddressSanitizer in the library", "no nightly compiler is installed; it watches only the C side")
        return None
    env = dict(os.environ, RUSTFLAGS="-Zsanitizer=address")
    folder = target() / "asan"
    code, out = run(["cargo", "+nightly", "build", "--lib", "--target", TRIPLE, "--features", "testing",
                     "--target-dir", folder], env=env)
    if code != 0:
        skip("AddressSanitizer in the library", "it does not build: " + (out.strip().splitlines() or ["?"])[-1])
        return None
    return folder / TRIPLE / "debug"


compiled = set()


def compile_programs(name, library, flags, only=None, programs=PROGRAMS):
    """Compiles all programs at once, two at a time; what one mode has compiled serves the next."""
    folder = target() / "c" / name
    if (name, library) in compiled:
        return folder
    compiled.add((name, library))
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [["gcc", "-std=gnu11", "-g", "-O1", *WARNINGS, *flags, "-I", ROOT / "include", HERE / f"{p}.c",
             "-o", folder / p, library / "libp2pnet.a", *SYSTEM] for p in programs if only in (None, p)]
    running = []
    for job in jobs + [None, None]:
        if job:
            running.append((job, subprocess.Popen([str(c) for c in job], stdout=subprocess.PIPE,
                                                  stderr=subprocess.STDOUT, text=True)))
        if len(running) == 2 or not job and running:
            command, process = running.pop(0)
            out = process.communicate()[0]
            if process.returncode != 0:
                say(out)
                sys.exit(f"{command[0]} failed")
    return folder


def run_programs(name, folder, before=(), env=None, only=None, programs=PROGRAMS):
    """Each program's tests are counted; an exit that does not fit them is a failure of its own."""
    global passed, failed
    env = {"RUST_BACKTRACE": "0", "CHECK_FEATURES": str(default_features()), **(env or {})}
    for program in programs:
        if only not in (None, program):
            continue
        began = time.monotonic()
        code, out = run([*before, folder / program, LOAD[name]], env={**os.environ, **env})
        ok = len(re.findall(r"^ok ", out, re.M))
        bad = len(re.findall(r"^not ok ", out, re.M))
        passed, failed = passed + ok, failed + bad
        for test, why in re.findall(r"^# SKIP (\w+): (.*)$", out, re.M):
            skip(f"{name} {program} {test}", why)
        if code != 0:
            if bad == 0:
                failed += 1
            say(f"not ok {name} {program}: exit code {code}")
            say("".join(f"    {line}\n" for line in out.strip().splitlines()[-80:] if not line.startswith("ok ")))
        elif ok == 0:
            count(False, f"{name} {program}", "it ran no test")
        say(f"# {name} {program}: {ok} ok, {bad} not ok, {time.monotonic() - began:.1f} s")


def plain(args):
    folder = compile_programs("plain", build(args.release), [], only=args.only)
    run_programs("plain", folder, env=with_mainline(), only=args.only)


def classic(args):
    folder = compile_programs("plain", build(args.release), [], only=args.only)
    run_programs("classic", folder, env={**with_mainline(), "CHECK_DIALECT": "classic"}, only=args.only)


def bare(args):
    library = build(bare=True)
    folder = compile_programs("bare", library, [], only=args.only, programs=BARE)
    run_programs("bare", folder, env={"CHECK_FEATURES": str(ALWAYS)}, only=args.only, programs=BARE)


def valgrind(args):
    if not shutil.which("valgrind"):
        return skip("valgrind", "it is not installed")
    folder = compile_programs("valgrind", build_for_users(), [], only=args.only)
    before = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect",
              "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=99", "--fair-sched=yes"]
    run_programs("valgrind", folder, before, only=args.only)


def asan(args):
    library = build_asan()
    flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    folder = compile_programs("asan", library or build(), flags, only=args.only)
    env = {} if library else with_mainline()
    env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0"
    run_programs("asan", folder, env=env, only=args.only)


def functions_of_header():
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "p2pnet.h").read_text(), flags=re.S)
    return set(re.findall(r"\b(p2p_\w+)\(", text))


def symbols(args):
    shared = build(args.release) / "libp2pnet.so"
    if not shutil.which("nm") or not shutil.which("readelf"):
        return skip("symbols", "nm and readelf (binutils) are not installed")
    lines = must(["nm", "-D", "--defined-only", shared]).splitlines()
    exported = {line.split()[-1] for line in lines if line.strip()}
    declared = functions_of_header()
    listed = {}
    for line in (HERE / "symbols-in-versions").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, version = line.split()
            listed[name] = version
    def same(what, a, b):
        count(a == b, what, f"only in the first: {sorted(a - b)}\nonly in the second: {sorted(b - a)}")
    same("the library exports what the header declares", exported, declared)
    same("symbols-in-versions lists what the header declares", set(listed), declared)
    well_formed = {n for n, v in listed.items() if re.fullmatch(r"\d+\.\d+\.\d+", v)}
    same("every version in symbols-in-versions is one", well_formed, set(listed))
    soname = re.findall(r"SONAME.*\[(.*)\]", must(["readelf", "-d", shared]))
    count(soname == ["libp2pnet.so.0"], "the soname is libp2pnet.so.0", str(soname))
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", must(["readelf", "-d", shared])))
    known = ("libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux")
    strangers = {n for n in needed if not n.startswith(known)}
    count(not strangers, "the library needs only the system's libraries", str(sorted(strangers)))


def consumer(args):
    library = build(args.release)
    folder = target() / "c" / "consumer"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # As an installed library lies there: the linker follows libp2pnet.so, the loader the soname.
    shutil.copy(library / "libp2pnet.so", folder / "libp2pnet.so.0")
    (folder / "libp2pnet.so").symlink_to("libp2pnet.so.0")
    source = HERE / "consumer" / "consumer.c"
    languages = [("gcc", ["-std=c99", "-pedantic"]), ("gcc", ["-std=c11", "-pedantic"]),
                 ("g++", ["-x", "c++", "-std=c++11", "-pedantic"]), ("g++", ["-x", "c++", "-std=c++17", "-pedantic"])]
    for compiler, flags in languages:
        if not shutil.which(compiler):
            skip(f"consumer {compiler}", "it is not installed")
            continue
        for kind in ("shared", "static"):
            what = f"consumer {compiler} {flags[-2]} {kind}"
            program = folder / re.sub(r"\W+", "-", what)
            libs = (["-L", folder, "-lp2pnet", f"-Wl,-rpath,{folder}"] if kind == "shared"
                    else ["-x", "none", library / "libp2pnet.a", *SYSTEM])
            code, out = run([compiler, *flags, *WARNINGS, "-I", ROOT / "include", source, "-o", program, *libs])
            if count(code == 0, f"{what} links", out):
                code, out = run([program])
                count(code == 0, f"{what} runs", f"exit code {code}\n{out}")


# First what does not wait for a library that cargo's tests build as well.
MODES = {"valgrind": valgrind, "bare": bare, "symbols": symbols, "consumer": consumer, "plain": plain, "classic": classic,
         "asan": asan}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", default="all", choices=[*MODES, "all"])
    parser.add_argument("--release", action="store_true", help="test the optimised library")
    parser.add_argument("--only", choices=PROGRAMS, help="only this program")
    args = parser.parse_args()
    for name in [m for m in MODES if m != "asan"] if args.mode == "all" else [args.mode]:
        began = time.monotonic()
        MODES[name](args)
        say(f"# {name}: {time.monotonic() - began:.0f} s")
    for why in skips:
        say(f"skipped: {why}")
    say(f"{passed} passed, {failed} failed, {len(skips)} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
