"""What the tests have in common: nets on addresses of their own under 127/8, a rendezvous server, a watchdog."""
import faulthandler
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import p2pnet

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
SERVER = os.environ.get("P2PNET_SERVER", str(ROOT / "target" / "tools" / "tools" / "p2p-rendezvous"))
#: Seconds. Nothing is decided by it but that something hangs.
HUNG = 120
_numbers = itertools.count(1)


def address():
    """One that no other test has: 127.x.y.z, by this process and a count."""
    number = next(_numbers)
    return f"127.{64 + os.getpid() % 128}.{number // 250}.{number % 250 + 1}"


def until(case, condition):
    """Looks until it holds."""
    end = time.monotonic() + HUNG / 2
    while not condition():
        case.assertLess(time.monotonic(), end, "hung")
        time.sleep(0.001)


class Case(unittest.TestCase):
    """A test with a watchdog: if it hangs, all threads tell where, and the run ends."""

    def run(self, result=None):
        faulthandler.dump_traceback_later(3 * HUNG, exit=True)
        try:
            return super().run(result)
        finally:
            faulthandler.cancel_dump_traceback_later()


def options(**more):
    """A net that listens on an address of its own and asks nobody about its situation. A server or a peer that does not get the CPU
    for a while is waited for."""
    patient = {"server_timeout_ms": HUNG * 500, "close_timeout_ms": HUNG * 500}
    return {"node_type": "passive", "passive_bind": address(), "dialect": "classic", **patient, **more}


def at(net):
    """Where a net listens, "host:port"."""
    info = net.info()
    return f"{info.lan_ip}:{info.passive_port}"


def pair(case, **more):
    """Two nets that are connected, and the connection at each."""
    a, b = (p2pnet.Net(**options(**more)).start() for _ in range(2))
    case.addCleanup(a.close)
    case.addCleanup(b.close)
    there = a.connect(at(b), timeout=HUNG)
    return a, b, there, b.accept(timeout=HUNG)


class Program:
    """A running program whose lines are kept, so that waiting for one that has come already finds it."""

    def __init__(self, *command, env=None, cwd=None):
        self.command = [str(part) for part in command]
        self._lines, self._changed, self._over = [], threading.Condition(), False
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
                                        stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def text(self):
        with self._changed:
            return "\n".join(self._lines)

    def wait_for(self, pattern, count=1):
        """Waits until so many lines match, and gives the last match."""
        pattern = re.compile(pattern)
        with self._changed:
            while True:
                found = [m for m in map(pattern.search, self._lines) if m]
                if len(found) >= count:
                    return found[count - 1]
                if self._over or not self._changed.wait(HUNG / 2):
                    told = "\n".join(self._lines)
                    raise AssertionError(f"{self.command} has not said {pattern.pattern!r}; it said:\n{told}")

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ended(self):
        """Waits for its end and gives the exit status."""
        status = self.process.wait(HUNG / 2)
        self._reader.join(HUNG / 2)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._reader.join(HUNG)
        self.process.stdout.close()


class Rendezvous(Program):
    """A rendezvous server of ours, with a mailbox, on free ports of an address."""

    def __init__(self, ip="127.0.0.1", before=()):
        super().__init__(*before, SERVER, "--listen", f"{ip}:0", "--nat-listen", "off", "--http", f"{ip}:0", "--store",
                         "memory", "--max-connections", "100", "--http-max-connections", "100", "--print-addrs",
                         "--log-level", "debug")
        told = json.loads(self.wait_for(r"^\{.*\}$")[0])
        self.address, self.http = told["rendezvous"][0], told["http"][0]


def needs_server(test):
    """Skips a test where the server is not built."""
    return unittest.skipUnless(os.access(SERVER, os.X_OK), f"{SERVER} is not there (make server)")(test)


def python(*arguments, **more):
    """Starts a Python program in this Python."""
    return Program(sys.executable, "-u", *arguments, **more)
