"""What is installed, where, and that it goes away again."""
import os
import re
from pathlib import Path

from support import (CONSUMERS, PREFIX, ROOT, SONAME, VERSION, WORK, check, fresh, make, need, run, tree)
from size import DEFAULT_MOST, stripped

EXPECTED = sorted([
    "include/p2pnet.h", "include/p2pnet.hpp", "lib/libp2pnet.a", "lib/libp2pnet.so", f"lib/{SONAME}",
    f"lib/libp2pnet.so.{VERSION}", "lib/pkgconfig/p2pnet.pc", "lib/cmake/p2pnet/p2pnet-config.cmake",
    "lib/cmake/p2pnet/p2pnet-config-version.cmake", "bin/p2p", "bin/p2p-rendezvous",
    "share/bash-completion/completions/p2p", "share/bash-completion/completions/p2p-rendezvous",
    "share/zsh/site-functions/_p2p", "share/zsh/site-functions/_p2p-rendezvous",
    "share/fish/vendor_completions.d/p2p.fish", "share/fish/vendor_completions.d/p2p-rendezvous.fish",
    "share/man/man1/p2p.1", "share/man/man1/p2p-connect.1", "share/man/man1/p2p-doctor.1",
    "share/man/man1/p2p-listen.1", "share/man/man1/p2p-rendezvous.1"])


@check
def the_files_are_the_expected_ones():
    assert tree(PREFIX) == EXPECTED, set(tree(PREFIX)) ^ set(EXPECTED)
    assert os.readlink(PREFIX / "lib/libp2pnet.so") == SONAME
    assert os.readlink(PREFIX / f"lib/{SONAME}") == f"libp2pnet.so.{VERSION}"
    for path in EXPECTED:
        mode = (PREFIX / path).stat().st_mode & 0o777
        wanted = 0o755 if path.startswith("bin/") or ".so" in path else 0o644
        assert mode == wanted, f"{path}: {mode:o}"


@check
def a_staged_installation_knows_nothing_of_the_stage():
    stage = fresh("stage")
    make("install", f"DESTDIR={stage}", "PREFIX=/opt/p2pnet")
    assert tree(stage / "opt/p2pnet") == EXPECTED and [p.name for p in stage.iterdir()] == ["opt"]
    for path in EXPECTED:
        text = (stage / "opt/p2pnet" / path).read_bytes()
        assert str(WORK).encode() not in text, path
        if not path.endswith((".a", ".so")) and ".so." not in path and not path.startswith("bin/"):
            assert str(ROOT).encode() not in text, path
    assert "prefix=/opt/p2pnet\n" in (stage / "opt/p2pnet/lib/pkgconfig/p2pnet.pc").read_text()
    make("uninstall", f"DESTDIR={stage}", "PREFIX=/opt/p2pnet")
    assert tree(stage) == [], tree(stage)
    assert not (stage / "opt/p2pnet/lib/cmake/p2pnet").exists()


@check
def uninstall_leaves_what_is_not_ours():
    prefix = fresh("shared-prefix")
    make("install", f"PREFIX={prefix}")
    (prefix / "lib/cmake/p2pnet/mine").touch()
    (prefix / "include/other.h").touch()
    make("install", f"PREFIX={prefix}")  # over itself
    make("uninstall", f"PREFIX={prefix}")
    assert tree(prefix) == ["include/other.h", "lib/cmake/p2pnet/mine"], tree(prefix)
    make("uninstall", f"PREFIX={prefix}")  # once more is no error


@check
def folders_of_their_own_and_with_spaces():
    top = fresh("with space & more")
    lib = top / "usr/lib/x86_64-linux-gnu"
    make("install", f"PREFIX={top}/usr", f"LIBDIR={lib}", f"BINDIR={top}/elsewhere/bin")
    assert (lib / SONAME).exists() and (top / "elsewhere/bin/p2p").exists()
    assert (top / "usr/include/p2pnet.h").exists()
    config = (lib / "cmake/p2pnet/p2pnet-config.cmake").read_text()
    assert "${_p2pnet_here}/../../../.." in config and str(top) not in config, config
    need("pkg-config")
    flags = run(["pkg-config", "--cflags", "--libs", "p2pnet"], env={"PKG_CONFIG_PATH": str(lib / "pkgconfig")})
    program = WORK / "spaced"
    run(["sh", "-c", f"gcc '{CONSUMERS}/consumer.c' -o '{program}' {flags.strip()}"])
    run([program], env={"LD_LIBRARY_PATH": str(lib)})
    make("uninstall", f"PREFIX={top}/usr", f"LIBDIR={lib}", f"BINDIR={top}/elsewhere/bin")
    assert tree(top) == [], tree(top)


@check
def wrong_settings_are_explained():
    text = run(["make", "-s", "install", "PREFIX=relative", "BUILT=1"], status=2)
    assert "has to begin with /" in text, text
    text = run(["packaging/install.sh", "install"], env={"PREFIX": str(WORK / "nothing"), "LIB": str(WORK)}, status=1)
    assert "`make` builds it" in text and not (WORK / "nothing").exists(), text


@check
def the_shared_library_exports_the_interface_and_names_itself():
    need("readelf", "nm")
    library = PREFIX / "lib" / f"libp2pnet.so.{VERSION}"
    assert re.findall(r"SONAME.*\[(.*)\]", run(["readelf", "-d", library])) == [SONAME]
    exported = {line.split()[-1] for line in run(["nm", "-D", "--defined-only", library]).splitlines()}
    listed = {line.split()[0] for line in (ROOT / "tests/c/symbols-in-versions").read_text().splitlines()
              if line.startswith("p2p_")}
    assert exported == listed, exported ^ listed
    assert "RPATH" not in run(["readelf", "-d", library]) and "RUNPATH" not in run(["readelf", "-d", library])


@check
def the_shared_library_is_not_larger_than_it_may_be():
    need("strip")
    size = stripped(PREFIX / "lib" / f"libp2pnet.so.{VERSION}")
    assert size <= DEFAULT_MOST, f"{size:,} bytes, {DEFAULT_MOST:,} at most (make size shows what is in it)"


@check
def the_static_library_has_no_ballast():
    need("readelf", "ar")
    library = PREFIX / "lib/libp2pnet.a"
    sections = run(["readelf", "-SW", library])
    for unwanted in [".llvmbc", ".llvmcmd", ".debug_info"]:
        assert unwanted not in sections, unwanted
    outside = [line.split() for line in run(["nm", "-g", "--defined-only", library]).splitlines() if " T " in line or " D " in line]
    assert all(name.startswith("p2p_") for *_, name in outside) and len(outside) > 40, outside
    built = Path(os.environ.get("LIB", ROOT / "target/release")) / "libp2pnet.a"
    assert library.stat().st_size < built.stat().st_size, "as large as it was built"
    assert "Invalid encoding" not in run(["ar", "t", library]), "binutils stumble over it"
