"""Programs under test: started, listened to line by line, and never left behind."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# The programs p2p and p2p-rendezvous: as `make server` builds them, or others that TOOLS names.
TOOLS = ROOT / (os.environ.get("TOOLS") or "target/tools/tools")
# Whom a shell starts in the background ignores it, and so would the programs started here, which are to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
HUNG = 120  # seconds; nothing is decided by it but that a program hangs


def run(command, status=0, cwd=None, env=None, limit=5 * HUNG):
    """Runs a program to its end, expects that exit status (None: any), and gives its output."""
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit, check=False)
    text = done.stdout.decode("utf-8", "replace")
    expected = status is None or done.returncode == status
    assert expected, f"{' '.join(command)} ended with {done.returncode}, not {status}:\n{text}"
    return text


class Process:
    """A running program. Its output is kept, so that waiting for a line that has come already finds it."""

    complaints = []  # what programs said that ended with another status than 0

    def __init__(self, command):
        self.command = [str(part) for part in command]
        self._lines, self._changed, self._ended = [], threading.Condition(), False
        self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def text(self):
        with self._changed:
            return "\n".join(self._lines)

    def wait_for(self, pattern):
        """Waits until a line matches, and gives the match."""
        pattern, seen = re.compile(pattern), 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if match := pattern.search(line):
                        return match
                seen = len(self._lines)
                if self._ended or not self._changed.wait(HUNG):
                    how = "ended" if self._ended else "hung"
                    said = "\n".join(self._lines)
                    raise AssertionError(f"{self.command} {how} without {pattern.pattern!r}; it said:\n{said}")

    def type(self, text):
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def ended(self):
        """Waits for the end and gives the exit status."""
        status = self._process.wait(HUNG)
        self._reader.join(HUNG)
        if status != 0:
            Process.complaints.append(self.text())
            print(f"{self.command} ended with {status}; it said:\n{self.text()}")
        return status

    @staticmethod
    def connection(address, port):
        return socket.create_connection((address, port), timeout=HUNG)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._reader.join(HUNG)
        self._process.stdout.close()


class Server(Process):
    """A rendezvous server on a free port."""

    def __init__(self, program):
        super().__init__([program, "--listen", "127.0.0.1:0", "--nat-listen", "off", "--http", "off", "--store", "memory",
                          "--print-addrs", "--log-level", "debug"])
        self.address = self.wait_for(r'"rendezvous":\["([^"]+)"')[1]
