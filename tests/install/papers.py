"""Man pages, completions, and the tools they are about."""
import re

from support import PREFIX, VERSION, WORK, Skip, check, need, run


@check
def tools_run():
    for program in ["p2p", "p2p-rendezvous"]:
        assert run([PREFIX / "bin" / program, "--version"]).strip() == f"{program} {VERSION}"


@check
def man_pages_render_without_a_warning():
    need("groff")
    for page in sorted((PREFIX / "share/man/man1").iterdir()):
        said = run(["groff", "-man", "-Tutf8", "-ww", "-z", page])
        assert not said.strip(), said
        shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", run(["groff", "-man", "-Tutf8", page]))
        for part in ["NAME", "SYNOPSIS", "OPTIONS", page.stem]:
            assert part in shown, f"{page.name}: no {part}"


@check
def man_finds_them():
    need("man")
    shown = run(["man", "--warnings", "-P", "cat", "p2p-doctor"], env={"MANPATH": str(PREFIX / "share/man"), "LC_ALL": "C.UTF-8"})
    if "has been minimized" in shown:
        raise Skip("this system's man shows no pages (a minimized image)")
    assert "--no-mapping" in re.sub(r".\x08", "", shown) and "warning" not in shown, shown


@check
def bash_completes():
    need("bash")
    folder = PREFIX / "share/bash-completion/completions"
    for name in ["p2p", "p2p-rendezvous"]:
        run(["bash", "-n", folder / name])
    def offered(program, before, word):  # (compopt complains outside of a completion)
        """What bash shows for a word; its own way of calling the function."""
        words = [program, *before, word]
        script = (f"source {folder}/{program}; f=$(complete -p {program} | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
                  f"COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
                  f"$f {program} '{word}' '{words[-2]}' 2>/dev/null; echo ${{COMPREPLY[@]}}")
        return run(["bash", "-c", script]).split()
    assert offered("p2p", [], "do") == ["doctor"]
    assert "--key-file" in offered("p2p", ["listen"], "--k")
    assert offered("p2p-rendezvous", ["--log-format"], "") == ["text", "json"]
    assert offered("p2p-rendezvous", ["--listen"], "") == [], "files are offered for an address"


@check
def zsh_completes():
    need("zsh")
    for name in ["_p2p", "_p2p-rendezvous"]:
        file = PREFIX / "share/zsh/site-functions" / name
        run(["zsh", "-n", file])
        assert file.read_text().startswith(f"#compdef {name[1:]}\n")


@check
def fish_completes():
    need("fish")
    folder = PREFIX / "share/fish/vendor_completions.d"
    for name in ["p2p", "p2p-rendezvous"]:
        run(["fish", "-n", folder / f"{name}.fish"])
    said = run(["fish", "--no-config", "-c", f"source {folder}/p2p.fish; complete -C 'p2p do'"], env={"HOME": str(WORK)})
    assert said.startswith("doctor\t"), said
