"""The library and the programs of this tree as they have been built, for scripts that test them as users have them."""
import shutil

from .process import HUNG, ROOT, TOOLS, run

RELEASE = ROOT / "target" / "release"
SERVER, TOOL = TOOLS / "p2p-rendezvous", TOOLS / "p2p"


def have(build=False):
    """Has make build what is missing; or all that is out of date."""
    if build or not all(p.exists() for p in (RELEASE / "libp2pnet.a", RELEASE / "libp2pnet.so", SERVER)):
        run(["make", "lib", "server"], cwd=ROOT, limit=20 * HUNG)


def install(prefix):
    """make install into a folder of ours, as a user does; builds nothing."""
    shutil.rmtree(prefix, ignore_errors=True)
    run(["make", "BUILT=1", "install", f"PREFIX={prefix}"], cwd=ROOT)
