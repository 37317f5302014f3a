#!/bin/sh
# install.sh - puts what has been built into its places, takes it away again, or lists the places. Called by the Makefile.
#
#   install.sh install|uninstall|list
#
# By the environment, each with a default: PREFIX, DESTDIR (put before every path; nothing that is written mentions it), BINDIR,
# LIBDIR, INCLUDEDIR, MANDIR, BASHCOMPDIR, ZSHCOMPDIR, FISHCOMPDIR; LIB and TOOLS, the folders with what was built; LD, OBJCOPY, NM
# and AR (GNU binutils, of the target when cross-compiling).
#
# One list of files serves all three, so that uninstall takes away what install has put there and nothing else.
set -eu
cd "$(dirname "$0")/.."

action=${1:?install, uninstall or list}
PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
case $PREFIX in
/*) ;;
*) echo "install: PREFIX has to begin with /, not: $PREFIX" >&2; exit 2 ;;
esac
PREFIX=${PREFIX%/}
BINDIR=${BINDIR:-$PREFIX/bin}
LIBDIR=${LIBDIR:-$PREFIX/lib}
INCLUDEDIR=${INCLUDEDIR:-$PREFIX/include}
MANDIR=${MANDIR:-$PREFIX/share/man}
BASHCOMPDIR=${BASHCOMPDIR:-$PREFIX/share/bash-completion/completions}
ZSHCOMPDIR=${ZSHCOMPDIR:-$PREFIX/share/zsh/site-functions}
FISHCOMPDIR=${FISHCOMPDIR:-$PREFIX/share/fish/vendor_completions.d}
LIB=${LIB:-target/release}
TOOLS=${TOOLS:-target/tools/tools}
OBJCOPY=${OBJCOPY:-objcopy}
LD=${LD:-ld}
NM=${NM:-nm}
AR=${AR:-ar}

VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI=$(sed -n 's/.*-soname,libp2pnet\.so\.\([0-9]*\).*/\1/p' build.rs)
CMAKEDIR=$LIBDIR/cmake/p2pnet
# Beyond the C library itself. What the compiler links anyway (libc, libgcc or its like) is left to it: naming libgcc_s would
# break -static, and clang with its own runtime.
SYSTEM_LIBS='-lpthread -ldl -lm -lrt -lutil'

# kind | path | source. Kinds: file and program (copied), link (source is what it points at), and the three that are made here.
files() {
    cat <<END
file|$INCLUDEDIR/p2pnet.h|include/p2pnet.h
file|$INCLUDEDIR/p2pnet.hpp|bindings/cpp/p2pnet.hpp
shared|$LIBDIR/libp2pnet.so.$VERSION|$LIB/libp2pnet.so
link|$LIBDIR/libp2pnet.so.$ABI|libp2pnet.so.$VERSION
link|$LIBDIR/libp2pnet.so|libp2pnet.so.$ABI
static|$LIBDIR/libp2pnet.a|$LIB/libp2pnet.a
template|$LIBDIR/pkgconfig/p2pnet.pc|packaging/p2pnet.pc.in
template|$CMAKEDIR/p2pnet-config.cmake|packaging/p2pnet-config.cmake.in
template|$CMAKEDIR/p2pnet-config-version.cmake|packaging/p2pnet-config-version.cmake.in
END
    for program in p2p p2p-rendezvous; do
        cat <<END
program|$BINDIR/$program|$TOOLS/$program
file|$BASHCOMPDIR/$program|packaging/completions/$program.bash
file|$ZSHCOMPDIR/_$program|packaging/completions/_$program
file|$FISHCOMPDIR/$program.fish|packaging/completions/$program.fish
END
    done
    for page in packaging/man/*.1; do
        echo "file|$MANDIR/man1/${page##*/}|$page"
    done
}

# $1 seen from the prefix: "lib" for /usr/local/lib; nothing if it lies elsewhere.
inside() {
    case $1 in
    "$PREFIX"/*) printf '%s' "${1#"$PREFIX"/}" ;;
    esac
}

# From the CMake package's folder back to the prefix, "../../..", so that the whole can be moved.
back() {
    inside "$CMAKEDIR" | sed 's|[^/][^/]*|..|g'
}

# As the replacement of a sed command.
for_sed() {
    printf '%s' "$1" | sed 's/[\\&|]/\\&/g'
}

# The same for pkg-config's file, where a space divides.
for_pc() {
    for_sed "$(printf '%s' "$1" | sed 's/ /\\ /g')"
}

template() {
    # What lies in the prefix is told from there, the rest by its whole path.
    lib=$(inside "$LIBDIR") include=$(inside "$INCLUDEDIR") back=$(back)
    pc_lib=$LIBDIR cmake_lib=$LIBDIR pc_include=$INCLUDEDIR cmake_include=$INCLUDEDIR cmake_prefix=$PREFIX
    if [ -n "$lib" ]; then
        pc_lib="\${prefix}/$lib" cmake_lib="\${_p2pnet_prefix}/$lib"
    fi
    if [ -n "$include" ]; then
        pc_include="\${prefix}/$include" cmake_include="\${_p2pnet_prefix}/$include"
    fi
    if [ -n "$back" ]; then
        cmake_prefix="\${_p2pnet_here}/$back"
    fi
    sed -e "s|@VERSION@|$VERSION|g" -e "s|@ABI@|$ABI|g" -e "s|@BITS@|$BITS|g" \
        -e "s|@SYSTEM_LIBS@|$SYSTEM_LIBS|g" \
        -e "s|@SYSTEM_LIBS_LIST@|$(echo "$SYSTEM_LIBS" | sed 's/^-l//; s/ -l/;/g')|g" \
        -e "s|@PREFIX@|$(for_pc "$PREFIX")|g" \
        -e "s|@PC_LIBDIR@|$(for_pc "$pc_lib")|g" -e "s|@PC_INCLUDEDIR@|$(for_pc "$pc_include")|g" \
        -e "s|@CMAKE_PREFIX@|$(for_sed "$cmake_prefix")|g" \
        -e "s|@CMAKE_LIBDIR@|$(for_sed "$cmake_lib")|g" -e "s|@CMAKE_INCLUDEDIR@|$(for_sed "$cmake_include")|g" "$1"
}

# 4 or 8: bytes of a pointer in the library, from its ELF header.
pointer_size() {
    case $(od -An -tu1 -j4 -N1 "$1" | tr -d ' ') in
    1) echo 4 ;;
    *) echo 8 ;;
    esac
}

# The static library as one object that shows the interface's functions only. As rustc makes it, it has all of Rust's standard
# library beside it for everyone to see: a second library written in Rust then clashes with it, or, worse, fits, and one of the two
# runs with the other's way to panic. Left out are also what nothing uses, and Rust's bitcode, of no use to a linker that is not rustc's.
one_object() {
    made=$(mktemp -d) || return 1
    sed -n 's/^\(p2p_[a-z0-9_]*\) .*/\1/p' tests/c/symbols-in-versions >"$made/interface"
    {
        "$OBJCOPY" -D -g -R .llvmbc -R .llvmcmd "$1" "$made/plain.a" &&
            # Groups are dissolved: the linker would otherwise throw away what a group of the same name elsewhere replaces, and
            # names that are local by then have no replacement.
            "$LD" -r --gc-sections --force-group-allocation $(sed 's/^/-u /' "$made/interface") \
                -o "$made/all.o" "$made/plain.a" &&
            # Weak names that only what was left out has asked for would be asked for in earnest.
            "$NM" -u "$made/all.o" >"$made/undefined" &&
            sed -i 's/.* //' "$made/undefined" &&
            "$OBJCOPY" -D --strip-unneeded-symbols="$made/undefined" --keep-global-symbols="$made/interface" \
                "$made/all.o" "$made/p2pnet.o" &&
            "$AR" rcsD "$made/libp2pnet.a" "$made/p2pnet.o" &&
            install -m 644 "$made/libp2pnet.a" "$2"
    } 2>/dev/null
    status=$?
    rm -rf "$made"
    return $status
}

put() {
    kind=$1 path=$DESTDIR$2 source=$3
    mkdir -p "${path%/*}"
    case $kind in
    link) ln -sf "$source" "$path" ;;
    file) install -m 644 "$source" "$path" ;;
    program | shared)
        # Another file, not the old one overwritten: programs that run go on with what they have loaded.
        rm -f "$path"
        install -m 755 "$source" "$path"
        ;;
    static)
        rm -f "$path"
        one_object "$source" "$path" || {
            echo "install: $LD, $OBJCOPY, $NM or $AR is not there or cannot do it: $source is installed as it is. It is larger than need be" \
                "and may not go into one program with another library written in Rust" >&2
            install -m 644 "$source" "$path"
        }
        ;;
    template)
        rm -f "$path"
        template "$source" >"$path"
        chmod 644 "$path"
        ;;
    esac
}

case $action in
list)
    files | cut -d'|' -f2
    ;;
install)
    for needed in "$LIB/libp2pnet.so" "$LIB/libp2pnet.a" "$TOOLS/p2p" "$TOOLS/p2p-rendezvous"; do
        [ -f "$needed" ] || { echo "install: $needed is not there; \`make\` builds it" >&2; exit 1; }
    done
    BITS=$(pointer_size "$LIB/libp2pnet.so")
    files | while IFS='|' read -r kind path source; do
        put "$kind" "$path" "$source"
    done
    # The loader knows a new library in one of its own folders only after that.
    if [ -z "$DESTDIR" ] && [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then
        case $LIBDIR in
        /lib | /lib/* | /usr/lib | /usr/lib/* | /usr/local/lib | /usr/local/lib/*) ldconfig || true ;;
        esac
    fi
    ;;
uninstall)
    files | while IFS='|' read -r kind path source; do
        rm -f "$DESTDIR$path"
    done
    # The one folder that is nobody else's.
    rmdir "$DESTDIR$CMAKEDIR" 2>/dev/null || true
    ;;
*)
    echo "install: expected install, uninstall or list, not: $action" >&2
    exit 2
    ;;
esac
