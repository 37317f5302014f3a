"""p2pnet.compat and the original PyP2P 0.8.3 at the other end, by a server of ours.

Needs the environment that tests/pyp2p/setup.py makes (its tests, a step of `make test`, make it); else these are skipped.
Everything stays on loopback, where many addresses stand for many hosts.
"""
import json
import os
import queue
import subprocess
import threading
import time
import unittest

from p2pnet.compat.dht_msg import DHT
from p2pnet.compat import dht_msg
from p2pnet.compat.net import Net
from support import HUNG, ROOT, Case, Rendezvous, address, needs_server

INSTALLED = ROOT / "target" / "pyp2p-venv"
PYTHON = os.environ.get("PYP2P_PYTHON") or str(INSTALLED / "bin" / "python")
MISSING = not (os.environ.get("PYP2P_PYTHON") or (INSTALLED / "pyp2p-is-installed").exists())
CHOSEN = "0123456789abcdef" * 4
PORT = 24444


class Original:
    """A node of the original; tests/pyp2p/original.py tells its calls and events."""

    def __init__(self, **settings):
        command = [PYTHON, "-B", str(ROOT / "tests" / "pyp2p" / "original.py"), json.dumps({"port": PORT, **settings})]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.told, self.events, self.calls = queue.Queue(), [], 0
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.expect("ready")

    def _read(self):
        for line in self.process.stdout:
            self.told.put(json.loads(line))

    def expect(self, event):
        """The next such event."""
        for i, said in enumerate(self.events):
            if said["event"] == event:
                return self.events.pop(i)
        while True:
            said = self.told.get(timeout=HUNG / 2)
            if said.get("event") == event:
                return said
            if "event" in said:
                self.events.append(said)

    def call(self, do, **arguments):
        """Calls `do` and gives what it returns."""
        self.calls += 1
        self.process.stdin.write((json.dumps({"id": self.calls, "do": do, **arguments}) + "\n").encode())
        self.process.stdin.flush()
        while True:
            said = self.told.get(timeout=HUNG / 2)
            if "event" in said:
                self.events.append(said)
            else:
                assert "error" not in said, said
                return said["result"]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@needs_server
@unittest.skipIf(MISSING, "the original is not installed (tests/pyp2p/setup.py)")
class WithTheOriginal(Case):
    def setUp(self):
        self.server = Rendezvous(address())
        self.addCleanup(self.server.__exit__)
        host, port = self.server.address.rsplit(":", 1)
        self.servers = [[host, int(port)]]

    def original(self, **settings):
        ip = address()
        node = Original(ip=ip, wan_ip=ip, servers=self.servers, **settings)
        self.addCleanup(node.end)
        node.ip = ip
        return node

    def ours(self, **more):
        servers = [{"addr": host, "port": port} for host, port in self.servers]
        net = Net(**{"passive_bind": address(), "passive_port": PORT, "node_type": "passive", "nat_type": "preserving",
                     "servers": servers, **more})
        self.addCleanup(net.stop)
        return net.start()

    def lines(self, net, count):
        """The next lines of a net, by looking at it as PyP2P's programs do."""
        got, end = [], time.monotonic() + HUNG / 2
        while len(got) < count:
            self.assertLess(time.monotonic(), end, got)
            for con in net:
                for reply in con:
                    got.append(reply)
            time.sleep(0.01)
        return got

    def talk(self, net, con, theirs, number):
        con.send_line("hello")
        self.assertEqual(theirs.expect("lines")["lines"], ["hello"])
        theirs.call("send", con=number, lines=["grüße"])
        self.assertEqual(self.lines(net, 1), ["grüße"])

    def test_they_find_us_and_we_find_them(self):
        ours = self.ours()
        ours.advertise()
        theirs = self.original()
        self.assertEqual(theirs.call("bootstrap"), [ours.passive_bind])
        opened = theirs.expect("opened")
        self.lines_ready(ours)
        self.talk(ours, next(iter(ours)), theirs, opened["con"])
        theirs.call("advertise")
        self.server.wait_for("registered", 2)
        other = self.ours()
        other.bootstrap()
        self.lines_ready(other)
        self.assertIn(theirs.ip, [con.addr for con in other])

    def lines_ready(self, net):
        end = time.monotonic() + HUNG / 2
        while not len(net):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_we_connect_by_their_unl(self):
        theirs, ours = self.original(net_type="direct"), self.ours(net_type="direct")
        for nonce in ("0" * 64, CHOSEN):
            done = queue.Queue()
            ours.unl.connect(theirs.ready["unl"], {"success": done.put, "failure": done.put}, nonce=nonce)
            con = done.get(timeout=HUNG)
            self.assertIsNotNone(con)
            opened = theirs.expect("opened")
            self.assertEqual((opened["nonce"], con.nonce), (nonce, nonce))
            self.assertIs(ours.con_by_id(theirs.call("con_id", con=opened["con"])), con)
            self.talk(ours, con, theirs, opened["con"])

    def test_they_connect_by_our_unl(self):
        theirs, ours = self.original(net_type="direct"), self.ours(net_type="direct")
        read = theirs.call("read_unl", unl=ours.unl.value)
        self.assertEqual((read["wan_ip"], read["listen_port"], read["nat_type"], read["node_type"]),
                         (ours.passive_bind, PORT, "preserving", "passive"))
        theirs.call("unl_connect", unl=ours.unl.construct())
        number = theirs.expect("connected")["con"]
        self.lines_ready(ours)
        con = next(iter(ours))
        self.assertEqual(con.nonce, "0" * 64)
        self.assertIs(ours.con_by_id(theirs.call("con_id", con=number)), con)
        self.talk(ours, con, theirs, number)

    def test_messages_and_a_reverse_connect(self):
        """By the mailbox, the original asking by its DHT: it cannot be reached, so we ask it to connect to us."""
        host, port = self.server.http.rsplit(":", 1)
        old, dht_msg.dht_msg_endpoint = dht_msg.dht_msg_endpoint, f"http://{self.server.http}/dht_msg.php"
        try:
            our_dht = DHT()
        finally:
            dht_msg.dht_msg_endpoint = old
        self.addCleanup(our_dht.stop)
        theirs = self.original(net_type="direct", node_type="active", dht="B" * 20, http=[host, int(port)])
        theirs.call("message", node_id=bytes.fromhex(our_dht.node_id).decode(), value=["told", 5])
        end, got = time.monotonic() + HUNG / 2, []
        while not got:
            self.assertLess(time.monotonic(), end)
            got += our_dht.get_messages()
            time.sleep(0.01)
        self.assertEqual(got, [["told", 5]])
        our_dht.put(("B" * 20).encode().hex(), "answered")
        self.assertEqual(theirs.expect("message")["value"], "answered")
        ours = self.ours(net_type="direct", dht_node=our_dht)
        done = queue.Queue()
        ours.unl.connect(theirs.ready["unl"], {"success": done.put, "failure": done.put})
        con = done.get(timeout=HUNG)
        self.assertIsNotNone(con)
        self.assertTrue(con.conn.inbound)
        self.talk(ours, con, theirs, theirs.expect("opened")["con"])


if __name__ == "__main__":
    unittest.main()
