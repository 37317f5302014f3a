"""The Debian packages: made, looked at, installed into a folder as if it were a system, used there, and removed."""
import os
import re
import shutil

from support import CONSUMERS, HERE, ROOT, SONAME, VERSION, WARN, WORK, Skip, check, fresh, need, run, tree

DEBS = WORK / "deb"
WHOLE = f"{VERSION}-1"
NAMES = ["libp2pnet-dev", "libp2pnet0", "p2pnet-tools"]


def architecture():
    return run(["dpkg", "--print-architecture"]).strip()


def deb(name):
    return DEBS / f"{name}_{WHOLE}_{architecture()}.deb"


def packages():
    """Builds them once."""
    need("dpkg-deb", "dpkg", "objdump", "strip")
    if not DEBS.exists():
        run(["packaging/debian/build.sh", DEBS], env={"COMPRESSION": "gzip"})  # xz takes a minute
    return [deb(name) for name in NAMES]


def field(name, which):
    return run(["dpkg-deb", "-f", deb(name), which]).strip()


def multiarch():
    return run(["gcc", "-print-multiarch"]).strip()


@check
def debian_packages_are_made():
    assert sorted(packages()) == sorted(DEBS.iterdir())
    libdir, listed = f"./usr/lib/{multiarch()}", {}
    for name in NAMES:
        lines = run(["dpkg-deb", "-c", deb(name)]).splitlines()
        assert all(line.split()[1] == "root/root" for line in lines), "somebody else's files"
        listed[name] = {line.split()[5] for line in lines if not line.endswith("/")}
    assert listed["libp2pnet0"] == {
        f"{libdir}/{SONAME}", f"{libdir}/libp2pnet.so.{VERSION}",
        *(f"./usr/share/doc/libp2pnet0/{paper}" for paper in ["copyright", "changelog.gz", "changelog.Debian.gz"])}
    assert {f"{libdir}/libp2pnet.a", f"{libdir}/libp2pnet.so", "./usr/include/p2pnet.hpp"} <= listed["libp2pnet-dev"]
    assert {"./usr/bin/p2p", "./usr/share/man/man1/p2p.1.gz", "./usr/share/zsh/vendor-completions/_p2p"} <= listed["p2pnet-tools"]
    assert not (listed["libp2pnet0"] & listed["libp2pnet-dev"] or listed["libp2pnet-dev"] & listed["p2pnet-tools"])


@check
def debian_packages_name_what_they_need():
    need("objdump")
    packages()
    root = fresh("deb-needs")
    for name in ["libp2pnet0", "p2pnet-tools"]:
        depends = field(name, "Depends")
        said = re.search(r"libc6 \(>= ([\d.]+)\)", depends)
        assert said and "libgcc-s1" in depends, depends
        run(["dpkg-deb", "-x", deb(name), root / name])
        binaries = [p for p in (root / name).rglob("*") if not p.is_symlink() and
                    (".so." in p.name or p.parent.name == "bin")]
        used = {tuple(map(int, v.split("."))) for p in binaries
                for v in re.findall(r"GLIBC_([\d.]+)", run(["objdump", "-T", p]))}
        # Debian may ask for more than the symbols do, never for less.
        assert tuple(map(int, said[1].split("."))) >= max(used), f"{name}: {depends}, but uses {max(used)}"
        assert ".symtab" not in run(["readelf", "-SW", *binaries]), "not stripped"
    assert field("libp2pnet-dev", "Depends") == f"libp2pnet0 (= {WHOLE})"


@check
def debian_sums_and_symbols():
    packages()
    for name in NAMES:
        root = fresh("deb-sums")
        run(["dpkg-deb", "-R", deb(name), root])
        listed = {line.split("  ", 1)[1] for line in (root / "DEBIAN/md5sums").read_text().splitlines()}
        shutil.move(root / "DEBIAN", WORK / "DEBIAN")
        run(["md5sum", "-c", "--quiet", WORK / "DEBIAN/md5sums"], cwd=root)
        assert listed == {p for p in tree(root) if not (root / p).is_symlink()}
        if name == "libp2pnet0":
            symbols = (WORK / "DEBIAN/symbols").read_text()
            assert symbols.startswith(f"{SONAME} libp2pnet0 #MINVER#\n p2p_") and " p2p_version@Base 0.1.0\n" in symbols
        shutil.rmtree(WORK / "DEBIAN")


@check
def debian_packages_are_the_same_each_time():
    first = {p.name: p.read_bytes() for p in packages()}
    again = WORK / "deb-again"
    run(["packaging/debian/build.sh", again], env={"TZ": "Asia/Tokyo", "COMPRESSION": "gzip"})
    assert first == {p.name: p.read_bytes() for p in again.iterdir()}


@check
def debian_packages_install_and_go():
    """By dpkg, into a folder with a database of its own, in which there is the C library and no more."""
    packages()
    if os.geteuid() != 0:
        raise Skip("dpkg --root needs root")
    root = fresh("deb-root")
    base = root / "var/lib/dpkg"
    for folder in ["info", "updates", "triggers"]:
        (base / folder).mkdir(parents=True)
    known = [run(["dpkg-query", "-s", name], status=None) for name in ["libc6", "libgcc-s1"]]
    # What they need in turn is of no interest here.
    strip = re.compile(r"^(?:Depends|Pre-Depends|Conffiles|Breaks|Conflicts|Recommends|Suggests|Replaces):.*\n(?: .*\n)*", re.M)
    (base / "status").write_text("".join(strip.sub("", stanza).strip() + "\n\n" for stanza in known))
    for name in ["libc6", "libgcc-s1"]:
        (base / f"info/{name}:{architecture()}.list").touch()
    dpkg = ["dpkg", f"--root={root}", "--force-not-root", f"--log={WORK}/dpkg.log", "--force-script-chrootless"]
    before = tree(root)
    text = run([*dpkg, "-i", deb("libp2pnet-dev")], status=1)
    assert "dependency problems" in text and "libp2pnet0" in text, text
    run([*dpkg, "-i", deb("libp2pnet0"), deb("libp2pnet-dev"), deb("p2pnet-tools")])
    run([*dpkg, "--audit"])
    assert not run([*dpkg, "-V"]).strip()
    lib = root / "usr/lib" / multiarch()
    env = {"PKG_CONFIG_LIBDIR": str(lib / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(root), "LD_LIBRARY_PATH": str(lib)}
    flags = run(["pkg-config", "--cflags", "--libs", "p2pnet"], env=env).split()
    program = WORK / "from-deb"
    run(["gcc", *WARN, CONSUMERS / "consumer.c", "-o", program, *flags])
    run([program], env=env)
    folder = fresh("deb-cmake")
    if shutil.which("cmake"):
        run(["cmake", "-S", HERE / "cmake", "-B", folder, f"-DCONSUMERS={CONSUMERS}", f"-Dp2pnet_DIR={lib}/cmake/p2pnet"])
        run(["cmake", "--build", folder])
        run([folder / "c_static"])
    assert VERSION in run([root / "usr/bin/p2p-rendezvous", "--version"])
    run([*dpkg, "--purge", *NAMES])
    left = set(tree(root)) - set(before)
    assert not [p for p in left if not p.startswith("var/lib/dpkg/")], left


@check
def lintian_finds_no_error():
    need("lintian")
    # Not uploaded anywhere, so no bug number that it closes.
    said = run(["lintian", "--allow-root", "--fail-on", "none", "--suppress-tags", "initial-upload-closes-no-bugs",
                *packages()], cwd=ROOT)
    wrong = [line for line in said.splitlines() if line.startswith(("E:", "W:"))]
    assert not wrong, said
