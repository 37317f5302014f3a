#!/usr/bin/env python3
"""The Node package as its users meet it: builds the addon, packs the package, installs it into a clean folder, and runs there
its tests, its examples and what its README shows, against the project's own rendezvous server on loopback. Ends with
"N passed, N failed, N skipped".

  tests/bindings/node.py            everything
  tests/bindings/node.py WORD...    the checks whose names contain one of the words

It takes target/release/libp2pnet.a and target/tools/tools/p2p-rendezvous, and has make build them if they are missing or
older than the sources. TOOLS=FOLDER names other programs.
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from common.checks import Skip, Tally, check  # noqa: E402
from common.process import TOOLS, Process, Server, run  # noqa: E402

NODE = ROOT / "bindings" / "node"
WORK = ROOT / "target" / "node-test"
CLEAN = WORK / "clean"
LIBRARY = ROOT / "target" / "release" / "libp2pnet.a"
SERVER = TOOLS / "p2p-rendezvous"
NPM = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
TYPES = ["typescript@5.9.3", "@types/node@20.19.43"]
HEADERS = ["node-api-headers@1.9.0"]


def newest_source():
    files = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", ROOT / "build.rs", *(ROOT / "src").rglob("*.rs")]
    return max(f.stat().st_mtime for f in files)


def have(path, target):
    """The file, built by make if it is not there or older than the sources."""
    if not path.exists() or path.stat().st_mtime < newest_source():
        print(f"make {target} ...", flush=True)
        run(["make", "-s", target], cwd=ROOT)
    return path


def npm_install(folder, *packages):
    """Installs packages from npm, or skips."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    try:
        run([*NPM, *packages], cwd=folder)
    except AssertionError as why:
        raise Skip(f"npm cannot install {' '.join(packages)}: {str(why).strip().splitlines()[-1]}") from None


def prepare():
    """The package, installed into a clean folder; everything else begins there."""
    have(LIBRARY, "lib")
    run(["node", "scripts/pack.mjs", "--to", WORK, "--lib", LIBRARY], cwd=NODE)
    version = json.loads((NODE / "package.json").read_text())["version"]
    CLEAN.mkdir()
    (CLEAN / "package.json").write_text('{"private": true}\n')
    run([*NPM, "--offline", WORK / f"p2pnet-{version}.tgz"], cwd=CLEAN)
    shutil.copytree(NODE / "test", CLEAN / "test", ignore=shutil.ignore_patterns("types"))
    shutil.copytree(CLEAN / "node_modules" / "p2pnet" / "examples", CLEAN / "examples")


@check
def constants_are_those_of_the_header():
    """Twice: the files are what the script writes, and a C compiler agrees with every number."""
    run(["node", "scripts/constants.mjs", "--check"], cwd=NODE)
    numbers = json.loads(run(["node", "-p", "JSON.stringify(require('p2pnet').constants)"], cwd=CLEAN))
    header = (ROOT / "include" / "p2pnet.h").read_text()
    listed = set(re.findall(r"^\s+(P2P_\w+) = -?\d+,", header, re.M))
    assert listed == set(numbers), sorted(listed ^ set(numbers))
    source = WORK / "constants.c"
    asserts = "".join(f'_Static_assert({name} == {value}, "{name}");\n' for name, value in numbers.items())
    source.write_text(f"#include <p2pnet.h>\n{asserts}int main(void) {{ return 0; }}\n")
    run(["cc", "-std=c11", f"-I{ROOT}/include", "-fsyntax-only", source])


@check
def the_package_holds_what_it_needs_and_nothing_else():
    package = CLEAN / "node_modules" / "p2pnet"
    manifest = json.loads((package / "package.json").read_text())
    cargo = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert manifest["version"] == cargo, f"{manifest['version']} here, {cargo} in Cargo.toml"
    assert "dependencies" not in manifest and "gypfile" not in manifest
    assert not {"install", "preinstall", "postinstall"} & set(manifest["scripts"]), "installing runs nothing"
    tops = {p.name for p in package.iterdir()}
    assert tops == {"package.json", "README.md", "LICENSE", "lib", "src", "include", "scripts", "prebuilds", "examples"}, tops
    assert (package / "include/p2pnet.h").read_text() == (ROOT / "include/p2pnet.h").read_text()
    addon = next(package.glob("prebuilds/*/p2pnet.node"))
    if sys.platform.startswith("linux") and shutil.which("nm"):
        exported = [line.split()[-1] for line in run(["nm", "-D", "--defined-only", addon]).splitlines()]
        assert all(name.startswith(("napi_", "node_api_")) for name in exported), exported
        needs = set(re.findall(r"\bU (\w+)", run(["nm", "-D", "--undefined-only", addon])))
        uv = {name for name in needs if name.startswith("uv_")}
        assert uv and uv <= set(re.findall(r"\buv_\w+", (package / "src/loop.h").read_text())), uv


def tap(name, files, env=None):
    """Runs tests of node's own runner; every one of them counts."""
    done = subprocess.run(["node", "--test", "--test-reporter=tap", *files], cwd=CLEAN / "test", check=False,
                          env={**os.environ, "P2P_RENDEZVOUS": str(SERVER), **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1200)
    text = done.stdout.decode("utf-8", "replace")
    (WORK / f"{name}.tap").write_text(text)
    counts = {word: int(n) for word, n in re.findall(r"^# (pass|fail|cancelled|skipped) (\d+)$", text, re.M)}
    passed, skipped = counts.get("pass", 0), counts.get("skipped", 0)
    failed = counts.get("fail", 0) + counts.get("cancelled", 0)
    for what, why in re.findall(r"^ *ok \d+ - (.*?) # SKIP ?(.*)$", text, re.M):
        print(f"skipped: {what}: {why}")
    if failed or done.returncode != 0 or passed == 0:
        print(f"FAIL {name}\n{text}")
        failed = failed or 1
    return passed, failed, skipped


def own_tests(words):
    """The package's tests; (passed, failed, skipped)."""
    sums = [0, 0, 0]
    for path in sorted((CLEAN / "test").glob("*.test.*js")):
        if words and not any(word in path.name for word in words):
            continue
        counts = tap(path.name, [path.name])
        print(f"{'ok  ' if not counts[1] else 'FAIL'} {path.name}: {counts[0]} tests", flush=True)
        sums = [a + b for a, b in zip(sums, counts)]
    return sums


def example(name, *args):
    return Process(["node", CLEAN / "examples" / f"{name}.mjs", *args])


def alice_and_bob(*flags):
    with Server(SERVER) as server:
        common = ["--port", "0", "--server", server.address, "--lines", "3", *flags]
        with example("alice", *common) as alice:
            alice.wait_for(r"^listed at")
            with example("bob", *common) as bob:
                assert alice.ended() == 0 and bob.ended() == 0
                bob.wait_for(r"^connected: 127.0.0.2:")
                bob.wait_for(r"^< got it$")
            alice.wait_for(r"^< test$")
            alice.wait_for(r"^done: \d+ lines")


@check
def example_alice_and_bob():
    alice_and_bob()


@check
def example_alice_and_bob_classic():
    alice_and_bob("--classic")


@check
def example_bob_comes_first_and_waits():
    with Server(SERVER) as server:
        common = ["--port", "0", "--server", server.address, "--lines", "2"]
        with example("bob", *common) as bob:
            bob.wait_for(r"nobody is listed")
            bob.wait_for(r"^listed at")
            with example("alice", *common) as alice:
                assert alice.ended() == 0 and bob.ended() == 0


@check
def example_alice_at_ctrl_c():
    with Server(SERVER) as server, example("alice", "--port", "0", "--server", server.address) as alice:
        alice.wait_for(r"^listed at")
        alice.interrupt()
        assert alice.ended() == 0
        alice.wait_for(r"^done: 0 lines")
        server.wait_for(r"cleared peer=127.0.0.2")


@check
def example_direct():
    for flags, begins in [([], "p2p3"), (["--classic"], "Ag")]:
        text = run(["node", CLEAN / "examples" / "direct.mjs", "--explain", *flags])
        for part in [f"Bob's locator: {begins}", "Alice has connected to Bob at 127.0.0.5:", "Bob hears: Sup Bob.",
                     "Alice hears: Not much, Alice.", '"state": "connected"', "\ndone\n"]:
            assert part in text, f"no {part!r} in:\n{text}"


@check
def example_chat():
    """ann - ben - cem: what cem says reaches ann over ben, once."""
    with example("chat", "--name", "ann", "--bind", "127.0.0.2") as ann:
        at = ann.wait_for(r"listening on (\S+)")[1]
        with example("chat", "--name", "ben", "--bind", "127.0.0.3", "--connect", at) as ben:
            ben.wait_for("is connected")
            at = ben.wait_for(r"listening on (\S+)")[1]
            with example("chat", "--name", "cem", "--bind", "127.0.0.4", "--connect", at) as cem:
                cem.wait_for("is connected")
                cem.type("hello\nhello\n")
                ann.wait_for("^cem 1: hello$")
                ann.wait_for("^cem 2: hello$")
                ann.type("and to you\n")
                cem.wait_for("^ann 1: and to you$")
                for each in [ann, ben, cem]:
                    each.interrupt()
                    assert each.ended() == 0
        assert ben.text().count("cem 1: hello") == ann.text().count("cem 1: hello") == 1


@check
def example_failures_are_explained():
    for name in ["alice", "bob", "chat"]:
        path = CLEAN / "examples" / f"{name}.mjs"
        assert "192.0.2.1" in run(["node", path, "--bind", "192.0.2.1"], status=1)
        nobody = run(["node", path, "--port", "0", "--server", "127.0.0.1:1"], status=1)
        assert "127.0.0.1:1" in nobody and "refused" in nobody, nobody


@check
def the_readme():
    """Its programs run as they stand, and say what it says they do; so does the one in the project's README."""
    text = (CLEAN / "node_modules" / "p2pnet" / "README.md").read_text()
    programs = re.findall(r"```js\n(// (\S+)\n.*?)```\n(?:\n```text\n(.*?)```)?", text, re.S)
    assert len(programs) >= 2, "no programs in the README"
    for source, name, said in programs:
        (CLEAN / name).write_text(source)
        out = run(["node", name], cwd=CLEAN)
        assert out == said, f"{name} says\n{out}\nand not\n{said}"
    source = re.search(r"```js\n(// first.mjs\n.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    (CLEAN / "first-of-all.mjs").write_text(source)
    out = run(["node", "first-of-all.mjs"], cwd=CLEAN)
    assert out == "Bob hears: Sup Bob.\n", out


@check
def types():
    folder = WORK / "types"
    npm_install(folder, *TYPES, *(str(p) for p in WORK.glob("p2pnet-*.tgz")))
    shutil.copytree(NODE / "test" / "types", folder / "types")
    run(["node", "node_modules/typescript/bin/tsc", "-p", "types"], cwd=folder)


def works_in(folder):
    """The package installed there, not another one, takes a program through."""
    shutil.copy(CLEAN / "examples" / "direct.mjs", folder)
    assert "\ndone\n" in run(["node", "direct.mjs"], cwd=folder)


def without_prebuilds(name):
    """The package as it is for a system that none was built for, packed, and a folder to install it into."""
    folder = WORK / name
    bare = shutil.copytree(CLEAN / "node_modules" / "p2pnet", folder / "package")
    shutil.rmtree(bare / "prebuilds")
    run(["npm", "pack", "--silent", "--pack-destination", folder], cwd=bare)
    (folder / "clean").mkdir()
    (folder / "clean/package.json").write_text('{"private": true}\n')
    return folder / "clean", next(folder.glob("*.tgz"))


@check
def where_the_package_brings_no_addon_it_is_compiled_by_one_command():
    clean, package = without_prebuilds("elsewhere")
    run([*NPM, "--offline", package], cwd=clean)
    said = run(["node", "-e", "require('p2pnet')"], cwd=clean, status=1)
    assert "npx p2pnet-build" in said and "Building it yourself" in said, said
    try:
        run(["npx", "--no-install", "p2pnet-build"], cwd=clean, env={"P2PNET_LIBRARY": str(LIBRARY)})
    except AssertionError as why:
        if "node_api.h, not in" in str(why):
            raise Skip("this node came without headers") from None
        raise
    works_in(clean)


@check
def what_is_missing_for_that_is_told_at_once():
    clean, package = without_prebuilds("nothing")
    run([*NPM, "--offline", package], cwd=clean)
    nothing = {"CC": "no-such-compiler", "PKG_CONFIG_LIBDIR": str(clean), "PKG_CONFIG_PATH": "", "P2PNET_LIBRARY": ""}
    said = run(["npx", "--no-install", "p2pnet-build", "--headers", clean], cwd=clean, env=nothing, status=1)
    for part in ["there is no no-such-compiler", "libp2pnet.a: install p2pnet", "P2PNET_LIBRARY", f"node_api.h, not in {clean}"]:
        assert part in said, f"no {part!r} in:\n{said}"
    said = run(["npx", "--no-install", "p2pnet-build", "--lib", clean / "x.a"], cwd=clean, status=1)
    assert f"{clean}/x.a, which --lib names" in said, said
    (clean / "empty.a").write_bytes(b"!<arch>\n")  # a library without what the addon calls
    said = run(["npx", "--no-install", "p2pnet-build", "--lib", clean / "empty.a"], cwd=clean, status=None)
    assert "it does not load" in said and "p2p_" in said or "node_api.h, not in" in said, said


@check
def building_it_yourself():
    """From what the package brings, with Node's own headers."""
    package = shutil.copytree(CLEAN / "node_modules" / "p2pnet", WORK / "own" / "node_modules" / "p2pnet")
    shutil.rmtree(package / "prebuilds")
    try:
        run(["node", "scripts/build.mjs", "--lib", LIBRARY, "--cflags=-Werror"], cwd=package)
    except AssertionError as why:
        if "node_api.h, not in" in str(why):
            raise Skip("this node came without headers") from None
        raise
    works_in(package.parent.parent)


@check
def building_it_with_headers_from_npm():
    """With node-api-headers, which have no uv.h."""
    folder = WORK / "headers"
    npm_install(folder, *HEADERS)
    include = folder / "node_modules" / "node-api-headers" / "include"
    package = shutil.copytree(CLEAN / "node_modules" / "p2pnet", folder / "node_modules" / "p2pnet")
    run(["node", "scripts/build.mjs", "--lib", LIBRARY, "--headers", include, "--cflags=-Werror -DP2PNET_OWN_UV"], cwd=package)
    works_in(folder)


@check
def under_the_address_sanitizer():
    """The addon's own C, while lines go, nets close and workers are ended."""
    preload = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False).stdout.strip()
    if not os.path.isabs(preload):
        raise Skip("the compiler has no libasan")
    folder = WORK / "asan"
    package = shutil.copytree(CLEAN / "node_modules" / "p2pnet", folder / "node_modules" / "p2pnet")
    flags = "--cflags=-g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
    # With --out it is not loaded at once, which would need the sanitizer's library as well.
    run(["node", "scripts/build.mjs", "--lib", LIBRARY, "--out", "build/p2pnet.node", flags], cwd=package)
    shutil.copytree(CLEAN / "test", folder / "test")
    for name in ["lines.test.mjs", "errors.test.mjs", "exit.test.mjs", "workers.test.mjs"]:
        # What Node itself never frees is not ours to report.
        env = {"LD_PRELOAD": preload, "ASAN_OPTIONS": "detect_leaks=0", "P2P_SANITIZED": "1"}
        text = run(["node", "--test", "--test-reporter=tap", name], cwd=folder / "test", env=env)
        assert re.search(r"^# fail 0$", text, re.M), text


def main():
    words = sys.argv[1:]
    for program in ["node", "npm", "cc"]:
        if not shutil.which(program):
            print(f"skipped: the Node package: {program} is not installed")
            print("0 passed, 0 failed, 1 skipped")
            return 0
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    prepare()
    have(SERVER, "server") if "TOOLS" not in os.environ else None
    tally = Tally()
    tally.count(True, "the package is built, packed and installed into a clean folder")
    tally.gathered(words)
    counts = own_tests(words)
    tally.passed, tally.failed, tally.skipped = (a + b for a, b in zip((tally.passed, tally.failed, tally.skipped), counts))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
