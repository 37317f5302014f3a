"""`python -m p2pnet.compat.rendezvous_server [options]` runs p2p-rendezvous, which serves PyP2P's nodes and ours.

It is a program of its own (README of the project, "Running a server"); this only finds and becomes it.
"""
import os
import shutil
import sys


def main():
    program = shutil.which("p2p-rendezvous")
    if program is None:
        print("p2p-rendezvous is not installed (not in PATH). It comes with the p2pnet sources: `make install`.",
              file=sys.stderr)
        return 1
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
