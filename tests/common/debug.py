"""The library and the programs as cargo's tests have them, for scripts that need no others.

Always built by `cargo test`: the tests bring crates that ask others for more features. A `cargo build` beside them leaves these out, and
each of the two then makes this package anew that the other has made: a minute of a processor each time.
"""
import os

from .process import ROOT

FEATURES = ["--features", "server,testing,cli,mainline"]
# With one test, as cargo makes the programs for tests only.
BUILD = ["cargo", "test", "--quiet", "--no-run", "--test", "readme", *FEATURES]
FOLDER = (ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")) / "debug"
LIBRARY, SERVER = FOLDER / "deps" / "libp2pnet.so", FOLDER / "p2p-rendezvous"
