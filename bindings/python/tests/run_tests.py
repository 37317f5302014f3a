"""Runs the tests beside this file with the p2pnet that is installed, and ends with "N passed, M failed, K skipped".

  run_tests.py [WORD...]      only tests with one of the words in their name
"""
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Result(unittest.TestResult):
    """Tells each test with its time, and why one failed or was skipped."""

    passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def say(self, how, test, why=""):
        name = test.id() if hasattr(test, "id") else str(test)
        seconds = time.monotonic() - getattr(self, "begun", time.monotonic())
        print(f"{how} {name} ({seconds:.1f} s){why}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say("ok  ", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        name = test.id() if hasattr(test, "id") else str(test)
        print(f"skipped: {name}: {reason}", flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.say("FAIL", test, "\n" + self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAIL", test, "\n" + self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(subtest, err)

    def addUnexpectedSuccess(self, test):
        self.addFailure(test, (AssertionError, AssertionError("it was expected to fail"), None))


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def main():
    words = sys.argv[1:]
    sys.path.insert(0, str(HERE))
    import p2pnet
    print(f"Python {sys.version.split()[0]}, p2pnet {p2pnet.__version__} of {Path(p2pnet.__file__).parent}", flush=True)
    found = unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))
    chosen = [t for t in each(found) if not words or any(w in t.id() for w in words)]
    result = Result()
    unittest.TestSuite(chosen).run(result)
    failed = len(result.errors) + len(result.failures)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    return 1 if failed or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())
