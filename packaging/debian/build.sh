#!/bin/sh
# build.sh - makes the Debian packages libp2pnet0, libp2pnet-dev and p2pnet-tools from what has been built. `make deb`.
#
#   build.sh [FOLDER]        where the packages are put; build/deb by default
#
# dpkg-deb is all it needs; with dpkg-dev, dpkg-shlibdeps tells what the packages depend on, without it objdump does. The
# packages are the same, byte for byte, for the same files and the same SOURCE_DATE_EPOCH (by default that of the last commit).
set -eu
cd "$(dirname "$0")/../.."
out=${1:-build/deb}
work=$out/work
here=packaging/debian

VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
REVISION=${REVISION:-1}
ABI=$(sed -n 's/.*-soname,libp2pnet\.so\.\([0-9]*\).*/\1/p' build.rs)
MAINTAINER=${MAINTAINER:-The p2pnet authors <p2pnet@example.org>}
OBJDUMP=${OBJDUMP:-objdump}
STRIP=${STRIP:-strip}
LIB=${LIB:-target/release}
TOOLS=${TOOLS:-target/tools/tools}
ARCH=${ARCH:-$(dpkg --print-architecture)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH LIB TOOLS
# As gcc and the loader call the folder of this architecture's libraries.
MULTIARCH=${MULTIARCH:-$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || ${CC:-cc} -print-multiarch)}
libdir=/usr/lib/$MULTIARCH
whole=$VERSION-$REVISION
umask 022

rm -rf "$work"
mkdir -p "$work/all"
DESTDIR=$work/all PREFIX=/usr LIBDIR=$libdir ZSHCOMPDIR=/usr/share/zsh/vendor-completions packaging/install.sh install

# Moves files of the whole installation into a package's tree.
take() {
    package=$1
    shift
    for path; do
        mkdir -p "$work/$package/${path%/*}"
        mv "$work/all/$path" "$work/$package/${path%/*}/"
    done
}
take "libp2pnet$ABI" "$libdir/libp2pnet.so.$VERSION" "$libdir/libp2pnet.so.$ABI"
take libp2pnet-dev /usr/include $libdir/libp2pnet.so $libdir/libp2pnet.a $libdir/pkgconfig $libdir/cmake
take p2pnet-tools /usr/bin /usr/share/man /usr/share/bash-completion /usr/share/zsh /usr/share/fish
left=$(find "$work/all" -type f -o -type l)
[ -z "$left" ] || { echo "deb: in no package: $left" >&2; exit 1; }

"$STRIP" --strip-unneeded -R .comment -R .note "$work/libp2pnet$ABI$libdir/libp2pnet.so.$VERSION" "$work"/p2pnet-tools/usr/bin/*
gzip -9n "$work"/p2pnet-tools/usr/share/man/man1/*.1

# The folder of a package's papers.
papers() {
    doc=$work/$1/usr/share/doc/$1
    mkdir -p "$doc"
    cp "$here/copyright" "$doc/"
    sed -e "s|@VERSION@|$whole|" -e "s|@MAINTAINER@|$MAINTAINER|" \
        -e "s|@DATE@|$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")|" "$here/changelog.in" |
        gzip -9n >"$doc/changelog.Debian.gz"
    gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
}

# What the binaries of a package need: the packages of the shared libraries they name, at least of the version that has
# every symbol they use.
depends() {
    if command -v dpkg-shlibdeps >/dev/null; then
        mkdir -p "$work/source/debian"
        printf 'Source: p2pnet\n\nPackage: any\nArchitecture: any\n' >"$work/source/debian/control"
        set -- "$(cd "$work" && pwd)/$1"
        (cd "$work/source" && find "$1" -type f \( -name '*.so.*' -o -path '*/bin/*' \) -print | sort |
            xargs dpkg-shlibdeps -O 2>"$1.shlibdeps") | sed -n 's/^shlibs:Depends=//p'
    else
        glibc=$(find "$work/$1" -type f \( -name '*.so.*' -o -path '*/bin/*' \) -exec "$OBJDUMP" -T {} + |
            sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\)).*/\1/p; s/.* GLIBC_\([0-9.]*\) .*/\1/p' | sort -V | tail -n 1)
        echo "libc6 (>= ${glibc:?no symbol of glibc is used}), libgcc-s1 (>= 3.0)"
    fi
}

# Closes a package: control file, sums, the archive. $2: its fields and description, with the version left open.
pack() {
    package=$1 tree=$work/$1
    papers "$package"
    mkdir -p "$tree/DEBIAN"
    size=$(find "$tree" -path "$tree/DEBIAN" -prune -o -type f -print0 | xargs -0 du -k --apparent-size | awk '{s += $1} END {print s}')
    sed -e "s|@ABI@|$ABI|g" -e "s|@VERSION@|$whole|g" -e "s|@ARCH@|$ARCH|" -e "s|@MAINTAINER@|$MAINTAINER|" \
        -e "s|@SIZE@|$size|" -e "s|@DEPENDS@|$2|" "$here/$3.control.in" >"$tree/DEBIAN/control"
    (cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    chmod -R u=rwX,go=rX "$tree"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Z"${COMPRESSION:-xz}" --build "$tree" "$out/${package}_${whole}_$ARCH.deb" >/dev/null
    echo "$out/${package}_${whole}_$ARCH.deb"
}

mkdir -p "$work/libp2pnet$ABI/DEBIAN"
# The file has the form that dpkg-gensymbols gives it in a package: for each function the version it came in.
{
    echo "libp2pnet.so.$ABI libp2pnet$ABI #MINVER#"
    sed -n 's/^\(p2p_[a-z0-9_]*\) \([0-9.]*\)$/ \1@Base \2/p' tests/c/symbols-in-versions | LC_ALL=C sort
} >"$work/libp2pnet$ABI/DEBIAN/symbols"
echo "libp2pnet $ABI libp2pnet$ABI (>= $VERSION)" >"$work/libp2pnet$ABI/DEBIAN/shlibs"
chmod 644 "$work/libp2pnet$ABI$libdir/libp2pnet.so.$VERSION" # no program
echo "activate-noawait ldconfig" >"$work/libp2pnet$ABI/DEBIAN/triggers"
mkdir -p "$work/p2pnet-tools/usr/share/doc/p2pnet-tools/examples"
cp "$here/p2p-rendezvous.service" "$work/p2pnet-tools/usr/share/doc/p2pnet-tools/examples/"

pack "libp2pnet$ABI" "$(depends "libp2pnet$ABI")" libp2pnet
pack libp2pnet-dev "libp2pnet$ABI (= $whole)" libp2pnet-dev
pack p2pnet-tools "$(depends p2pnet-tools)" p2pnet-tools
rm -rf "$work"
