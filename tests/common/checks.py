"""Checks that are functions: gathered, run one after the other, counted. A check fails by raising anything but Skip; the others
still run. What is printed is what tests/run.py reads: "ok", "FAIL", "skipped: name: why", and the count at the end."""
import re
import time
import traceback

from .process import Process

CHECKS = []
LATE = "(server_timeout_ms)"  # what the library says then
SHOWN = 80  # lines of what a failure says


class Skip(Exception):
    """Why a check cannot run here."""


def check(function):
    """Gathers a function as a check under its own name."""
    CHECKS.append((function.__name__, function))
    return function


class Tally:
    """How many checks have passed, failed, and were skipped."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def count(self, ok, what, why=""):
        """One check whose outcome is known."""
        self.passed, self.failed = self.passed + bool(ok), self.failed + (not ok)
        told = "" if ok else "".join(f"\n     {line}" for line in why.strip().splitlines()[-SHOWN:])
        print(f"{'ok  ' if ok else 'FAIL'} {what}{told}", flush=True)
        return ok

    def skip(self, what, why):
        self.skipped += 1
        print(f"skipped: {what}: {why}", flush=True)

    def attempt(self, what, function, *args):
        """Runs a check; gives what it returns, None if it did not pass. Once more where a server was too late for a program that
        gives it two seconds, as programs do by default: it may not have got the CPU for so long."""
        began = time.monotonic()
        for left in (2, 1, 0):
            Process.complaints.clear()
            try:
                result = function(*args)
            except Skip as why:
                self.skip(what, why)
            except Exception as why:  # a check may fail in any way; an assertion says what is wrong, if it says anything
                told = str(why) if isinstance(why, AssertionError) else ""
                if left and any(LATE in text for text in [told, *Process.complaints]):
                    print(f"again: {what}: a server did not answer in time", flush=True)
                    continue
                self.count(False, what, told or traceback.format_exc())
            else:
                self.count(True, f"{what} ({time.monotonic() - began:.1f} s)")
                return result
            return None

    def suite(self, name, command, status, text, results, reason):
        """What another runner has run: (test, "passed", "failed" or "skipped") each. reason: the expression that finds in its
        output why one was skipped, with {} for the test."""
        for test, result in results:
            if result == "skipped":
                why = re.search(reason.format(re.escape(test)), text, re.M)
                self.skip(f"{name} {test}", why[1] if why else "no reason given")
        good, bad = (sum(result == wanted for _, result in results) for wanted in ("passed", "failed"))
        self.passed += good
        if status != 0 or good == 0:
            self.failed += max(bad, 1)
            print(f"FAIL {name}: {' '.join(map(str, command))}\n{text[-12000:]}", flush=True)
        else:
            print(f"ok   {name}: {good} tests", flush=True)

    def gathered(self, words=()):
        """Runs what was gathered, or what has one of the words in its name."""
        for name, function in CHECKS:
            if not words or any(word in name for word in words):
                self.attempt(name, function)

    def end(self, may_all_be_skipped=False):
        """Says how many; the exit status."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        nothing = self.passed == 0 and not (may_all_be_skipped and self.skipped)
        return 1 if self.failed or nothing else 0
