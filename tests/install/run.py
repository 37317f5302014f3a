#!/usr/bin/env python3
"""The library as it is installed: from a clean folder, by each way in which programs find it, and away again.

  tests/install/run.py [--built] [WORD...]     all checks, or those whose names contain one of the words

Installs into target/install-test/, never into the system. --built takes what lies in target/ as it is instead of building
first. What a check needs and the machine lacks makes it a skip with its reason. Ends with "N passed, N failed, N skipped".
"""
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
# The checks, in this order.
import places  # noqa: E402,F401
import programs  # noqa: E402,F401
import papers  # noqa: E402,F401
import debian  # noqa: E402,F401
from support import PREFIX, WORK, make, run  # noqa: E402
from common.checks import Tally  # noqa: E402


def main():
    words = [w for w in sys.argv[1:] if w != "--built"]
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    if "--built" not in sys.argv:
        run(["make", "-s", "lib", "server"])
    make("install", f"PREFIX={PREFIX}")
    tally = Tally()
    tally.gathered(words)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
