#!/bin/sh
# library.sh FOLDER - links libp2pnet.so and libp2pnet.a in FOLDER from the libp2pnet.rlib that cargo has built there. `make lib`.
#
# Why cargo does not do it: library.rs. RUSTC and RUSTFLAGS are as for cargo.
set -eu
folder=$1
here=$(dirname "$0")
rustc=${RUSTC:-rustc}
made=$folder/library
# Of what it is made: cargo puts a file back that it has built before, with the time of then.
parts=$("$rustc" -V; cat "$folder/libp2pnet.rlib" "$here/library.rs" "$0" | cksum; echo "${RUSTFLAGS-}")

# Several may do this at once: each works in a folder of its own, and files take their places whole.
mine=$made.$$
trap 'rm -rf "$mine"' EXIT

if [ "$(cat "$made/parts" 2>/dev/null)" != "$parts" ]; then
    mkdir -p "$made" "$mine"
    set --
    if [ "$(uname)" != Darwin ]; then
        set -- -C link-arg=-Wl,-soname,libp2pnet.so.0 # as in build.rs
        # Functions of which the code is the same become one, if the linker can do that.
        fold="-C link-arg=-Wl,--icf=all"
        if echo | "$rustc" --crate-name try --crate-type cdylib $fold -o "$mine/try.so" - 2>/dev/null; then
            set -- "$@" $fold
        fi
        rm -f "$mine/try.so"
    fi
    # shellcheck disable=SC2086 # words
    "$rustc" --edition=2024 --crate-name p2pnet --crate-type cdylib --crate-type staticlib \
        -C opt-level=3 -C lto=fat -C codegen-units=1 -C strip=debuginfo "$@" ${RUSTFLAGS-} \
        --extern "library=$folder/libp2pnet.rlib" -L "dependency=$folder/deps" --out-dir "$mine" "$here/library.rs"
    echo "$parts" > "$mine/parts"
    for file in "$mine"/libp2pnet.* "$mine/parts"; do
        mv -f "$file" "$made/"
    done
fi
for file in "$made"/libp2pnet.*; do
    place=$folder/${file##*/}
    # What is there may be cargo's, with a second name in its own folder.
    cmp -s "$file" "$place" || { mkdir -p "$mine" && cp "$file" "$mine/" && mv -f "$mine/${file##*/}" "$place"; }
done
