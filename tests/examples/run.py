#!/usr/bin/env python3
"""The examples as a newcomer meets them: installs the library into target/, compiles and runs every example, and checks
what they say. Ends with "N passed, N failed, N skipped".

  tests/examples/run.py            everything
  tests/examples/run.py WORD...    the checks whose names contain one of the words
"""
import os
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common.checks import CHECKS, Skip, Tally, check  # noqa: E402
from common.process import Process, Server, run  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "target" / "examples-test"
PREFIX = WORK / "prefix"
C = ["alice", "bob", "direct", "game_loop", "epoll_loop"]
WARN = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", f"-I{PREFIX}/include"]
STATIC = [f"{PREFIX}/lib/libp2pnet.a", "-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
SHARED = [f"-L{PREFIX}/lib", "-lp2pnet", f"-Wl,-rpath,{PREFIX}/lib"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
INSTALLED = {"PKG_CONFIG_PATH": f"{PREFIX}/lib/pkgconfig", "LD_LIBRARY_PATH": f"{PREFIX}/lib"}
SERVER = os.environ.get("SERVER") or PREFIX / "bin" / "p2p-rendezvous"


def built(name):
    """The example with sanitizers; built once."""
    return compile_example(name, "sanitized", SANITIZE, STATIC)


def compile_example(name, kind, flags, libraries, standard=None):
    source = ROOT / "examples-c" / f"{name}.cpp"
    if source.exists():
        compiler, standard = "g++", standard or "c++17"
    else:
        compiler, standard, source = "gcc", "c11", source.with_suffix(".c")
    out = WORK / kind / name
    out.parent.mkdir(parents=True, exist_ok=True)
    if not out.exists():
        run([compiler, f"-std={standard}", *WARN, *flags, source, "-o", out, *libraries])
    return out


def matrix():
    """A check per example, standard and way of linking; alice and bob of each are then run."""
    for kind, libraries in [("static", STATIC), ("shared", SHARED)]:
        for name, standard in [(n, "c11") for n in C] + [("chat", "c++17"), ("chat", "c++20")]:
            folder = kind if standard != "c++20" else f"{kind}-20"
            CHECKS.append((f"compile_{name}_{standard}_{kind}",
                           lambda a=(name, folder, [], libraries, standard): compile_example(*a)))

        def demo(kind=kind, libraries=libraries):
            for name in ["alice", "bob"]:
                compile_example(name, kind, [], libraries)
            text = run(["sh", ROOT / "examples-c/demo.sh"], env={"EXAMPLES": str(WORK / kind), "SERVER": str(SERVER),
                                                                "LINES_EACH_WAY": "3"})
            last = text.splitlines()[-1]
            assert last.startswith("demo: ok: "), last
            assert "\033" not in text, "colours though the output is no terminal"
        CHECKS.append((f"demo_{kind}", demo))
    for standard in ["c++17", "c++20"]:
        for exceptions in ["-fexceptions", "-fno-exceptions"]:
            def header(standard=standard, exceptions=exceptions):
                out = WORK / f"hpp_test-{standard}{exceptions}"
                run(["g++", f"-std={standard}", exceptions, *WARN, "-Wshadow", *SANITIZE,
                     ROOT / "tests/examples/hpp_test.cpp", "-o", out, *STATIC])
                run([out])
            CHECKS.append((f"hpp_{standard}{exceptions}".replace("-", "_"), header))


matrix()


@check
def hpp_from_beginning_to_end():
    out = WORK / "hpp_life"
    run(["g++", "-std=c++17", *WARN, "-Wshadow", *SANITIZE, ROOT / "tests/examples/hpp_life.cpp", "-o", out, *STATIC, "-pthread"])
    run([out])


@check
def commands_in_the_head_comments():
    """Every compile command that an example shows, as it stands there."""
    if not shutil.which("pkg-config"):
        raise Skip("pkg-config is not installed")
    tree = WORK / "tree"  # for what is compiled from the top of the source tree
    tree.mkdir()
    for part in ["examples-c", "include", "bindings", "target"]:
        (tree / part).symlink_to(ROOT / part)
    shutil.copytree(ROOT / "examples-c", WORK / "copy")
    for name in [*C, "chat"]:
        source = next((ROOT / "examples-c").glob(f"{name}.c*"))
        head = source.read_text(encoding="utf-8").split("#include")[0]
        lines = [l.strip(" */") for l in head.splitlines()]
        at = [i for i, l in enumerate(lines) if l.startswith(("cc ", "c++ "))]
        assert len(at) == 2, f"{source.name}: expected two commands, found {len(at)}"
        for i, folder in zip(at, [WORK / "copy", tree]):
            following = lines[i + 1].strip() if lines[i + 1].strip().startswith("-l") else ""
            command = f"{lines[i]} {following}".split("   (")[0]
            run(["sh", "-c", command], cwd=folder, env={"PKG_CONFIG_PATH": str(PREFIX / "lib/pkgconfig")})
            assert (folder / name).exists(), command


def of_readme(readme, language, name):
    """A README's program, compiled as it stands by the command that the README gives."""
    text = readme.read_text(encoding="utf-8")
    program = re.search(rf"^```{language}\n(.*?)^```", text, re.M | re.S)[1]
    command = re.search(rf"c[c+]+ (?:\S+ )?{name} \$\(pkg-config .*?\) -o \w+", text)[0]
    folder = WORK / f"readme-{readme.parent.name}-{language}"
    folder.mkdir()
    (folder / name).write_text(program, encoding="utf-8")
    run(["sh", "-c", command], cwd=folder, env=INSTALLED)
    return folder / name.split(".")[0]


@check
def the_readmes_program_in_c():
    """Two of it and a server, as the README starts them."""
    if not shutil.which("pkg-config"):
        raise Skip("pkg-config is not installed")
    hello = of_readme(ROOT / "README.md", "c", "hello.c")
    # As in a terminal, where each line is shown at once.
    shown = ["env", f"LD_LIBRARY_PATH={PREFIX}/lib", "stdbuf", "-oL", hello]
    free = ["--listen", "127.0.0.1:0", "--nat-listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", "memory", "--print-addrs"]
    with Process([SERVER, *free]) as server:
        at = server.wait_for(r'"rendezvous":\["([^"]+)"')[1]
        with Process([*shown, at, "127.0.0.2"]) as first, Process([*shown, at, "127.0.0.3"]) as second:
            for each in [first, second]:
                each.wait_for(r"^connected: 127\.0\.0\.[23]:\d+$")
                each.wait_for(r"^127\.0\.0\.[23]:\d+ says: hello$")


@check
def the_readmes_programs_in_cpp():
    if not shutil.which("pkg-config"):
        raise Skip("pkg-config is not installed")
    for readme, says in [(ROOT / "README.md", "Sup Bob.\n"), (ROOT / "bindings/cpp/README.md", "Bob hears: Sup Bob.\n")]:
        assert run([of_readme(readme, "cpp", "first.cpp")], env=INSTALLED) == says
    folder = WORK / "readme-cpp-cpp"
    if shutil.which("cmake"):
        text = (ROOT / "bindings/cpp/README.md").read_text(encoding="utf-8")
        (folder / "CMakeLists.txt").write_text(re.search(r"^```cmake\n(.*?)^```", text, re.M | re.S)[1])
        run(["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={PREFIX}"])
        run(["cmake", "--build", folder / "build"])
        assert run([folder / "build/first"], env=INSTALLED) == says


@check
def wrong_command_lines():
    for name in [*C, "chat"]:
        assert "usage: " in run([built(name), "--help"])
        assert "usage: " in run([built(name), "--nonsense"], status=2)
        if name != "direct":  # it takes no numbers
            assert "usage: " in run([built(name), "--port", "x"], status=2)
            assert "usage: " in run([built(name), "--port"], status=2)


@check
def failures_are_explained():
    for name in ["alice", "bob", "epoll_loop", "chat"]:
        assert "99999" in run([built(name), "--port", "99999"], status=1)
        assert "192.0.2.1" in run([built(name), "--bind", "192.0.2.1"], status=1)
        assert "host:port" in run([built(name), "--server", "nonsense"], status=1)
        nobody = run([built(name), "--port", "0", "--server", "127.0.0.1:1"], status=1)
        assert "127.0.0.1:1" in nobody and "refused" in nobody, nobody


@check
def a_port_in_use_is_explained():
    with Process([built("epoll_loop"), "--bind", "127.0.0.7"]) as first:
        port = first.wait_for(r"listening on \S+:(\d+)")[1]
        said = run([built("epoll_loop"), "--bind", "127.0.0.7", "--port", port], status=1)
        assert f"127.0.0.7:{port}" in said and "in use" in said, said


@check
def alice_at_ctrl_c():
    with Server(SERVER) as server, Process([built("alice"), "--port", "0", "--server", server.address]) as alice:
        alice.wait_for(r"listed at")
        alice.interrupt()
        assert alice.ended() == 0
        alice.wait_for(r"done: 0 lines")
        server.wait_for(r"cleared peer=127.0.0.2")


@check
def bob_comes_first_and_waits():
    with Server(SERVER) as server:
        common = ["--port", "0", "--server", server.address, "--lines", "2"]
        with Process([built("bob"), *common]) as bob:
            bob.wait_for(r"nobody is listed")
            bob.wait_for(r"^listed at")
            with Process([built("alice"), *common]) as alice:  # who finds him
                assert alice.ended() == 0 and bob.ended() == 0


@check
def a_peer_does_not_reach_the_terminal():
    with Process([built("epoll_loop"), "--bind", "127.0.0.5"]) as a:
        at = a.wait_for(r"listening on (\S+)")[1]
        with Process([built("epoll_loop"), "--bind", "127.0.0.6", "--connect", at]) as b:
            b.wait_for("is here")
            b.type("\x1b[31mred\x00\x7f\n")
            a.wait_for(r"< \?\[31mred\?\?$")


@check
def a_stranger_is_not_heard():
    with Server(SERVER) as server, Process([built("alice"), "--port", "0", "--server", server.address]) as alice:
        port = int(alice.wait_for(r"listening on 127.0.0.2:(\d+)")[1])
        with alice.connection("127.0.0.2", port) as raw:
            raw.sendall(b"hello\r\n")
            assert raw.recv(100) == b"\0\1\3"
        alice.interrupt()
        assert alice.ended() == 0
        assert "hello" not in alice.text() and "connected" not in alice.text()


@check
def nothing_is_left_behind():
    """Keys are made in memory unless a program names a file."""
    empty = WORK / "empty"
    empty.mkdir()
    run([built("direct")], cwd=empty, env={"HOME": str(empty), "XDG_CONFIG_HOME": str(empty), "TMPDIR": str(empty)})
    assert not list(empty.iterdir()), list(empty.iterdir())


@check
def alice_connects_to_bob_by_his_locator():
    for dialect, begins in [([], "p2p3"), (["--classic"], "Ag")]:
        text = run([built("direct"), "--explain", *dialect])
        for part in [f"Bob's locator: {begins}", "Alice has connected to Bob at 127.0.0.5:", "Bob hears: Sup Bob.",
                     "Alice hears: Not much, Alice.", '"state":"connected"', "\ndone\n"]:
            assert part in text, f"no {part!r} in:\n{text}"


def play(frames, *arguments, enough):
    """A game of so many frames, or of ten times as many where the CPU was busy and the players had hardly met: what it said."""
    for often in (1, 10, 100):
        text = run([built("game_loop"), "--frames", frames * often, *arguments])
        players = [l for l in text.splitlines() if l.startswith("player ")]
        assert players and f" {frames * often} frames" in players[0], text
        if enough(players):
            break
    return text, players


@check
def players_in_one_process():
    def met(players):
        return all(" 0 positions received" not in p for p in players)
    text, players = play(60, "--players", "3", "--fps", "200", enough=met)
    assert len(players) == 3 and met(players) and all("skipped" in p for p in players), text
    assert text.count("a player came") == text.count("a player left") == 6, text


@check
def players_in_two_processes():
    with Process([built("game_loop"), "--players", "1", "--frames", "0", "--port", "0", "--bind", "127.0.0.8"]) as first:
        port = first.wait_for(r"listening on 127.0.0.8:(\d+)")[1]
        with Process([built("game_loop"), "--players", "1", "--connect", f"127.0.0.8:{port}", "--frames", "0"]) as second:
            first.wait_for("a player came")
            second.wait_for("a player came")
            second.interrupt()
            assert second.ended() == 0
        first.wait_for(r"a player left: \S+ last seen at")
        first.interrupt()
        assert first.ended() == 0


@check
def a_frozen_player_costs_the_others_no_frame():
    def skipped(players):
        return " 0 skipped" not in players[0]
    text, players = play(4000, "--fps", "2000", "--bytes", "8000", "--freeze", enough=skipped)
    assert players[0].startswith("player 0") and skipped(players), text


@check
def the_epoll_chat():
    with Process([built("epoll_loop"), "--bind", "127.0.0.5", "--say", "welcome", "--exit-after", "1", "--status", "1"]) as a:
        at = a.wait_for(r"listening on (\S+)")[1]
        a.type("nobody hears this\n")
        a.wait_for("nobody is here yet")
        a.wait_for(r"\* 0 came to us")  # the timer
        with Process([built("epoll_loop"), "--bind", "127.0.0.6", "--connect", at, "--exit-after", "3"]) as b:
            b.wait_for("< welcome")
            a.type("typed one\n\ntyp")
            b.wait_for("< typed one")
            a.type("ed two\n")
            b.wait_for("< typed two")
            assert b.ended() == 0
        a.wait_for("has left")
        with Process([built("epoll_loop"), "--bind", "127.0.0.6", "--connect", at, "--say", "hello"]) as c:
            a.wait_for("< hello")
            assert a.ended() == 0
            c.wait_for("has left")
            c.interrupt()
            assert c.ended() == 0


@check
def the_chat_floods():
    """ann - ben - cem: what cem says reaches ann over ben, once."""
    with Server(SERVER) as server, \
            Process([built("chat"), "--name", "ann", "--bind", "127.0.0.2", "--server", server.address]) as ann:
        at = ann.wait_for(r"listening on (\S+)")[1]
        with Process([built("chat"), "--name", "ben", "--bind", "127.0.0.3", "--connect", at]) as ben:
            ben.wait_for("is connected")
            at = ben.wait_for(r"listening on (\S+)")[1]
            with Process([built("chat"), "--name", "cem", "--bind", "127.0.0.4", "--connect", at]) as cem:
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
def the_chat_reports_what_a_handler_throws():
    said = run([built("chat"), "--connect", "127.0.0.9:1"], status=1)
    assert "chat: " in said and "127.0.0.9:1" in said and "refused" in said, said


def main():
    words = sys.argv[1:]
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    run(["make", "-s", "install", f"PREFIX={PREFIX}"], cwd=ROOT)
    tally = Tally()
    tally.gathered(words)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
