"""Programs that use the installed library: by each way of finding it, shared and static, and beside another one in Rust."""
import re
import shutil
import subprocess
import sys

from support import (CHECKS, CONSUMERS, HERE, PREFIX, SONAME, VERSION, WARN, WORK, Skip, check, fresh, in_prefix, need, pkg_config,
                     run, tree)


def compiled(name, compiler, source, flags, env=None):
    program = WORK / "programs" / name
    program.parent.mkdir(exist_ok=True)
    standard = ["-std=c++17"] if source.suffix == ".cpp" else ["-std=c99"]
    run([compiler, *standard, *WARN, source, "-o", program, *flags], env=env)
    return program


def is_linked_to_it(program):
    return SONAME in run(["readelf", "-d", program])


def consumers(name, compiler, source, shared, static):
    """A program by pkg-config, shared, static and without any shared library."""
    def by_pkg_config():
        need(compiler, "pkg-config", "readelf")
        program = compiled(f"{name}-shared", compiler, source, shared())
        assert is_linked_to_it(program)
        run([program], env=in_prefix())
        program = compiled(f"{name}-static", compiler, source, static())
        assert not is_linked_to_it(program)
        run([program])
        flags = ["-static", *pkg_config("--cflags", "--static", "--libs", "p2pnet")]
        program = compiled(f"{name}-fully-static", compiler, source, flags)
        assert "NEEDED" not in run(["readelf", "-d", program])
        run([program])
    CHECKS.append((f"pkg_config_{name}", by_pkg_config))

    def by_hand():
        need(compiler, "readelf")
        place = [f"-I{PREFIX}/include", f"-L{PREFIX}/lib"]
        program = compiled(f"{name}-hand-shared", compiler, source, [*place, "-lp2pnet"])
        assert is_linked_to_it(program)
        run([program], env=in_prefix())
        library = PREFIX / "lib/libp2pnet.a"
        program = compiled(f"{name}-hand-static", compiler, source, [*place, library, "-lpthread", "-ldl", "-lm"])
        assert not is_linked_to_it(program)
        run([program])
        program = compiled(f"{name}-hand-small", compiler, source,
                           [*place, library, "-lpthread", "-ldl", "-lm", "-s", "-Wl,--gc-sections"])
        run([program])
    CHECKS.append((f"by_hand_{name}", by_hand))


def static_flags():
    """The static library beside the shared one: by its name, and what it needs."""
    libs = pkg_config("--static", "--libs-only-l", "p2pnet")
    libdir = pkg_config("--variable=libdir", "p2pnet")[0]
    return [*pkg_config("--cflags", "p2pnet"), f"{libdir}/libp2pnet.a", *[l for l in libs if l != "-lp2pnet"]]


for each in ["gcc", "clang"]:
    consumers(f"{each}_c", each, CONSUMERS / "consumer.c", lambda: pkg_config("--cflags", "--libs", "p2pnet"), static_flags)
for each in ["g++", "clang++"]:
    consumers(f"{each}_cpp".replace("++", "xx"), each, CONSUMERS / "consumer.cpp",
              lambda: pkg_config("--cflags", "--libs", "p2pnet"), static_flags)


@check
def pkg_config_tells_the_version():
    assert pkg_config("--modversion", "p2pnet") == [VERSION]
    run(["pkg-config", "--exists", f"p2pnet >= {VERSION}"], env=in_prefix())
    assert "-lp2pnet" in pkg_config("--libs", "p2pnet") and "-lm" not in pkg_config("--libs", "p2pnet")


def cmake(name, prefix, *settings, status=0):
    need("cmake", "g++")
    folder = fresh(f"cmake-{name}")
    text = run(["cmake", "-S", HERE / "cmake", "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCONSUMERS={CONSUMERS}",
                "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF", *settings], status=status)
    return folder, text


def build_and_run(folder):
    run(["cmake", "--build", folder])
    for language in ["c", "cpp"]:
        assert is_linked_to_it(folder / f"{language}_shared") and not is_linked_to_it(folder / f"{language}_static")
        run([folder / f"{language}_shared"])
        run([folder / f"{language}_static"])
    run([folder / "c_fully_static"])


@check
def cmake_shared_and_static():
    folder, _ = cmake("plain", PREFIX)
    build_and_run(folder)


@check
def cmake_after_the_whole_was_moved():
    shutil.copytree(PREFIX, fresh("moved") / "there", symlinks=True)
    (WORK / "moved/link").symlink_to("there")
    folder, text = cmake("moved", WORK / "moved/link")
    build_and_run(folder)
    assert str(WORK / "moved") in (folder / "CMakeFiles/c_static.dir/link.txt").read_text(), text


@check
def cmake_refuses_other_versions():
    major, minor = VERSION.split(".")[:2]
    for wrong in [f"{major}.{int(minor) + 1}", f"{int(major) + 1}.0", f"{major}.{minor}.999"]:
        _, text = cmake("wrong", PREFIX, f"-DWANTED={wrong}", status=1)
        assert f'compatible with requested version "{wrong}"' in text.replace("\n ", ""), text
    for right in [f"{major}.{minor}", VERSION, major]:
        cmake("right", PREFIX, f"-DWANTED={right}")


@check
def cmake_says_which_half_is_missing():
    shutil.copytree(PREFIX, fresh("half") / "p", symlinks=True)
    (WORK / "half/p/lib/libp2pnet.a").unlink()
    _, text = cmake("half", WORK / "half/p", status=1)
    assert "no component 'static'" in " ".join(text.split()), text


def other(name, *flags, toolchain=None):
    need("rustc")
    command = ["rustc", *([f"+{toolchain}"] if toolchain else [])]
    if toolchain and subprocess.run([*command, "--version"], capture_output=True, check=False).returncode != 0:
        raise Skip(f"no {toolchain} toolchain")
    library = WORK / f"libother-{name}.a"
    run([*command, "--edition=2024", "--crate-type=staticlib", "--crate-name=other", *flags,
         HERE / "other/other.rs", "-o", library])
    return library


def beside_another(name, *flags, toolchain=None):
    """Programs with two libraries written in Rust, in both orders, and with ours shared."""
    def both():
        theirs = other(name, *flags, toolchain=toolchain)
        include, system = [f"-I{PREFIX}/include"], ["-lpthread", "-ldl", "-lm"]
        ours = PREFIX / "lib/libp2pnet.a"
        for order, libs in [("ours-first", [ours, theirs]), ("theirs-first", [theirs, ours]), ("static", [ours, theirs]),
                            ("whole", ["-Wl,--whole-archive", ours, theirs, "-Wl,--no-whole-archive"]),
                            ("shared", [theirs, f"-L{PREFIX}/lib", "-lp2pnet"])]:
            extra = ["-static"] if order == "static" else []
            program = compiled(f"both-{name}-{order}", "gcc", HERE / "other/both.c", [*include, *libs, *system, *extra])
            run([program], env=in_prefix())
    CHECKS.append((f"beside_another_rust_library_{name}", both))


beside_another("plain")
beside_another("optimised", "-Copt-level=3", "-Clto=fat", "-Ccodegen-units=1")
beside_another("aborting", "-Copt-level=s", "-Cpanic=abort", "--cfg=aborting")
beside_another("of_another_compiler", "-Copt-level=2", toolchain="nightly")


@check
def by_dlopen():
    code = f"import ctypes; l = ctypes.CDLL('{PREFIX}/lib/{SONAME}'); print(l.p2p_version())"
    major, minor, patch = map(int, VERSION.split("."))
    assert int(run([sys.executable, "-c", code])) == major << 16 | minor << 8 | patch


@check
def musl():
    raise Skip("a target of its own: `make embedded` links and runs it, if zig can be had")


@check
def no_environment_variable_is_read_and_no_file_written():
    """getenv() and its like are replaced at the link; strace tells of files."""
    need("gcc")
    wrap = ",".join(f"--wrap={name}" for name in ["getenv", "secure_getenv"])
    program = compiled("watched", "gcc", CONSUMERS / "consumer.c",
                       [HERE / "getenv.c", f"-I{PREFIX}/include", PREFIX / "lib/libp2pnet.a", f"-Wl,{wrap}",
                        "-lpthread", "-ldl", "-lm"])
    text = run([program])
    read = set(re.findall(r"^getenv (\S*)$", text, re.M))
    # As the header says. What UPnP asks for is not looked at here, as no router is asked.
    assert read <= {"TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE"}, read
    need("strace")
    folder = fresh("empty")
    trace = WORK / "trace"
    run(["strace", "-f", "-e", "trace=%file", "-o", trace, program], cwd=folder)
    writes = [line for line in trace.read_text().splitlines()
              if re.search(r"O_WRONLY|O_RDWR|O_CREAT|\b(mkdir|unlink|rename|symlink|link|chmod|truncate)\w*\(", line)]
    assert not writes and tree(folder) == [], writes
