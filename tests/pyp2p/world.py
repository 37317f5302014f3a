"""What a test has to work with: addresses of its own, nodes and servers of both kinds, plain sockets.

Everything a test starts belongs to its `World` and is ended with it.
"""
import collections
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import ours
from ours import WATCHDOG

HERE = Path(__file__).resolve().parent
# All below the ports that the system gives to outgoing connections.
RENDEZVOUS_PORT, HTTP_PORT, NODE_PORT = 18000, 18080, 24444


class Child:
    """A process that talks JSON lines on its standard output. Its errors go to a file, shown if the test fails."""

    def __init__(self, name, command, folder):
        self.name, self.told = name, queue.Queue()
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.told.put(json.loads(line))
        self.told.put(None)

    def next(self, end):
        """The next thing it says, by the time `end`."""
        try:
            said = self.told.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"{self.name} says nothing more") from None
        assert said is not None, f"{self.name} has ended with status {self.process.wait()}"
        return said

    def end(self):
        """Ends it, by the end of its input if it is willing."""
        try:
            self.process.stdin.close()
            self.process.wait(timeout=1)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


class Original(Child):
    """A node of the original; see original.py for its calls and events."""

    def __init__(self, name, folder, settings, inside=()):
        command = [*inside, os.environ["PYP2P_PYTHON"], "-B", str(HERE / "original.py"), json.dumps(settings)]
        super().__init__(name, command, folder)
        self.ip, self.port = settings["ip"], settings["port"]
        self.events = collections.deque()
        # Lines that came, by connection.
        self.received = collections.defaultdict(collections.deque)
        # Every line said to and heard from rendezvous servers, in order.
        self.wire = []
        self.calls = 0

    def _take(self, end):
        """Files the next thing it says; gives it if it is the answer to a call."""
        said = self.next(end)
        if "id" in said:
            return said
        if said["event"] == "lines":
            self.received[said["con"]].extend(said["lines"])
        elif said["event"] in ("said", "heard"):
            self.wire.append((said["event"], said["line"]))
        else:
            self.events.append(said)
        return None

    def begin(self, do, **arguments):
        """Calls `do_...`; `finish` gives what it returns."""
        self.calls += 1
        self.process.stdin.write((json.dumps({"id": self.calls, "do": do, **arguments}) + "\n").encode())
        self.process.stdin.flush()

    def call(self, do, **arguments):
        """Calls `do_...` and gives what it returns."""
        self.begin(do, **arguments)
        return self.finish(do)

    def finish(self, do):
        end = time.monotonic() + WATCHDOG
        while True:
            answer = self._take(end)
            if answer is not None:
                assert answer["id"] == self.calls and "error" not in answer, f"{self.name}: {do}: {answer}"
                return answer["result"]

    def send(self, con, *lines):
        """Sends texts, all of which it has to accept."""
        sent = self.call("send", con=con, lines=lines)
        assert sent == [len(line.encode()) + 2 for line in lines], sent

    def expect(self, event, **fields):
        """Waits for the first such event and takes it out."""
        end = time.monotonic() + WATCHDOG
        while True:
            for i, e in enumerate(self.events):
                if e["event"] == event and all(e[k] == v for k, v in fields.items()):
                    del self.events[i]
                    return e
            self._take(end)

    def expect_any(self, *events):
        """Waits for the first of these events and takes it out."""
        end = time.monotonic() + WATCHDOG
        while True:
            for i, e in enumerate(self.events):
                if e["event"] in events:
                    del self.events[i]
                    return e
            self._take(end)

    def lines(self, con, count):
        """The next `count` lines of a connection."""
        end, got = time.monotonic() + WATCHDOG, self.received[con]
        while len(got) < count:
            self._take(end)
        return [got.popleft() for _ in range(count)]

    def wait_wire(self, *entry):
        """Waits until that has been said to, or heard from, a server."""
        end = time.monotonic() + WATCHDOG
        while entry not in self.wire:
            self._take(end)


class Ours(Child):
    """A node of ours in a process of its own; see our_node.py for its calls."""

    def __init__(self, inside, world, **settings):
        command = [*inside, sys.executable, "-B", str(HERE / "our_node.py"), json.dumps(settings)]
        super().__init__(f"our-node-{len(world.children)}", command, world.folder)
        world.children.append(self)
        assert self.next(time.monotonic() + WATCHDOG) == {"event": "ready"}
        self.calls = 0

    def call(self, do, **arguments):
        """Calls `do_...` and gives what it returns."""
        self.calls += 1
        self.process.stdin.write((json.dumps({"id": self.calls, "do": do, **arguments}) + "\n").encode())
        self.process.stdin.flush()
        answer = self.next(time.monotonic() + 3 * WATCHDOG)
        assert answer.get("id") == self.calls and "error" not in answer, f"{self.name}: {do}: {answer}"
        return answer["result"]


class Raw:
    """A plain connection with lines."""

    def __init__(self, source, to):
        self.socket = socket.create_connection(to, timeout=WATCHDOG, source_address=(source, 0))
        self.port = self.socket.getsockname()[1]
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line, without CR LF; None if the connection has ended."""
        while b"\r\n" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def ask(self, line):
        """The answer to a request."""
        self.send(line + b"\r\n")
        return self.line()

    def close(self):
        self.socket.close()


class World:
    """The addresses, processes and nodes of one test."""

    def __init__(self, network):
        # Such as "127.77.3".
        self.network = network
        self.folder = Path(tempfile.mkdtemp(prefix="p2pnet-interop-"))
        self.children, self.nets, self.raws = [], [], []

    def ip(self, host):
        return f"{self.network}.{host}"

    def net(self, host, **options):
        """One of our nodes."""
        net = ours.Net(self.ip(host), options.pop("port", NODE_PORT), **options)
        self.nets.append(net)
        return net

    def _child(self, child):
        self.children.append(child)
        return child

    def start_original(self, host, inside=(), **settings):
        """Starts an original node and does not wait until it is ready. `inside`: what goes before the command."""
        settings = {"ip": self.ip(host), "port": NODE_PORT, "wan_ip": self.ip(host), **settings}
        return self._child(Original(f"original-{len(self.children)}", self.folder, settings, inside))

    def original(self, host, **settings):
        """An original node."""
        node = self.start_original(host, **settings)
        node.ready = node.expect("ready")
        return node

    def originals(self, *hosts, **settings):
        """Several, started at the same time."""
        nodes = [self.start_original(host, **settings) for host in hosts]
        for node in nodes:
            node.ready = node.expect("ready")
        return nodes

    def server(self, kind, host=1, ip=None, inside=()):
        """A rendezvous server, "original" or "ours"; gives its address."""
        ip = ip or self.ip(host)
        if kind == "original":
            command = [os.environ["PYP2P_PYTHON"], "-B", str(HERE / "original_server.py"), ip, str(RENDEZVOUS_PORT)]
        else:
            command = [os.environ["P2PNET_SERVER"], "--listen", f"{ip}:{RENDEZVOUS_PORT}", "--nat-listen", "off",
                       "--http", f"{ip}:{HTTP_PORT}", "--store", "memory", "--log-level", "debug", "--print-addrs"]
        server = self._child(Child(f"server-{kind}-{host}", [*inside, *command], self.folder))
        server.next(time.monotonic() + WATCHDOG)
        return ip, RENDEZVOUS_PORT

    def raw(self, host, to):
        """A plain connection from an address of ours."""
        raw = Raw(self.ip(host), to)
        self.raws.append(raw)
        return raw

    def listing(self, server, host=250):
        """What a server answers to BOOTSTRAP."""
        raw = self.raw(host, server)
        answer = raw.ask(b"BOOTSTRAP 100")
        raw.close()
        return answer

    def wait_listing(self, server, expected, host=250):
        """Asks until the server answers so."""
        end = time.monotonic() + WATCHDOG
        while (answer := self.listing(server, host)) != expected:
            assert time.monotonic() < end, f"the server lists {answer}, expected {expected}"
            time.sleep(0.02)

    def end(self):
        for raw in self.raws:
            raw.close()
        for net in self.nets:
            net.free()
        for child in self.children:
            child.end()

    def logs(self):
        """The end of what the processes wrote to standard error."""
        for child in self.children:
            lines = child.log.read_text(encoding="utf-8", errors="replace").splitlines()
            yield from (f"{child.name}: {line}" for line in lines[-15:])

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
