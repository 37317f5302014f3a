"""PyP2P's other names: DHT, Sock, lib, the clock."""
import queue
import socket
import threading
import time
import unittest
from decimal import Decimal

from compat_support import wait
from p2pnet.compat import _msgpack, dht_msg, hybrid_reply, lib, sock, sys_clock
from p2pnet.compat import net as compat_net
from p2pnet.compat.dht_msg import DHT
from p2pnet.compat.sock import Sock
from support import HUNG, Case, Rendezvous, needs_server


class Messages(Case):
    def test_between_two_of_a_process(self):
        a, b = DHT(networking=0), DHT(node_id="b" * 20, networking=0)
        a.add_relay_link(b)
        heard = []
        b.add_message_handler(lambda node, msg: heard.append(msg) or (-1 if msg == "last" else None))
        for msg in ("text", b"bytes", 5, [1, "x"], {"a": 1}, "[1, 2]", "last", "unheard"):
            a.put(b.node_id, msg)
        got = ["text", b"bytes", 5, [1, "x"], {"a": 1}, [1, 2], "last", "unheard"]
        self.assertTrue(b.has_messages())
        self.assertEqual(b.get_messages(), got)
        self.assertEqual((heard, b.get_messages(), b.get_id()), (got[:-1], [], b"b" * 20))
        q = queue.Queue()
        b.hook_queue(q)
        a.direct_message(b.get_id(), "hooked")
        self.assertEqual(q.get_nowait(), "hooked")

    @needs_server
    def test_by_a_mailbox(self):
        with Rendezvous() as server:
            old, dht_msg.dht_msg_endpoint = dht_msg.dht_msg_endpoint, f"http://{server.http}/dht_msg.php"
            try:
                a, b = DHT(), DHT(node_id="c" * 20)
            finally:
                dht_msg.dht_msg_endpoint = old
            self.assertTrue(a.is_registered.is_set())
            self.assertTrue(a.is_mutex_ready.wait(HUNG) and a.is_neighbours_ready.wait(HUNG))
            for i in range(10):
                a.put(b.node_id, f"message {i}")
            got = []
            wait(lambda: got.extend(b.get_messages()) or len(got) == 10)
            self.assertEqual(got, [f"message {i}" for i in range(10)])
            put, gotten = queue.Queue(), queue.Queue()
            a.async_dht_put(b.node_id, "for everybody").addCallback(put.put)
            self.assertEqual(put.get(timeout=HUNG), "success")
            a.async_dht_get(b.node_id).addCallback(gotten.put)
            self.assertEqual(gotten.get(timeout=HUNG), "for everybody")
            for dht in (a, b):
                dht.stop()
                for thread in dht.threads:
                    thread.join(HUNG)
                    self.assertFalse(thread.is_alive())

    def test_what_a_message_may_be(self):
        dht = DHT(networking=0)
        self.assertEqual(dht.serialize_message("test"), b"a474657374")
        for value in (None, True, 0, -1, 127, 128, -33, 1 << 40, -(1 << 40), 1.5, "x" * 300, "ä", b"", [1, [2, {}]],
                      {"a": [None], 5: "x"}):
            self.assertEqual(_msgpack.unpack(_msgpack.pack(value)), value)
        for bad in (object(), 1 << 70, {1, 2}):
            with self.assertRaises((TypeError, ValueError)):
                _msgpack.pack(bad)
        nested = "x"
        for _ in range(50):
            nested = [nested]
        with self.assertRaises(ValueError):
            _msgpack.pack(nested)

    def test_messages_that_are_none(self):
        dht = DHT(networking=0)
        for bad in (b"", b"zz", b"d9", b"dd7fffffff", b"c1", b"91" * 60 + b"00", b"819100", b"a5", b"00" * (1 << 17)):
            with self.assertRaises(ValueError):
                dht.build_dht_response(bad)
        for text in ("[" * 10000, "-" * 5000 + "1", "1" * 5000, "(" * 33 + ")" * 33, "f(1)", "\0"):
            self.assertEqual(dht.build_dht_response(dht.serialize_message(text)), text)

    def test_any_bytes_for_a_message(self):
        import random
        rng = random.Random(1)
        for _ in range(5000):
            data = bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
            try:
                _msgpack.pack(_msgpack.unpack(data))
            except ValueError:
                pass


class Socks(Case):
    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.at = self.listener.getsockname()

    def connected(self, **more):
        con = Sock(*self.at, **more)
        self.addCleanup(con.close)
        other, _ = self.listener.accept()
        self.addCleanup(other.close)
        return con, other

    def test_lines(self):
        con, other = self.connected()
        self.assertEqual((con.connected, con.send_line("hello"), other.recv(100)), (1, 7, b"hello\r\n"))
        other.sendall(b"one\r\n\r\ntwo\r\nhal")
        self.assertEqual(wait(lambda: list(con)), ["one", "two"])
        other.sendall(b"f\r\n")
        self.assertEqual(wait(con.recv_line), "half")
        other.sendall(b"raw\xff")
        self.assertEqual(wait(lambda: con.recv(4)), "raw\ufffd")
        other.sendall(b"before the end\r\n")
        other.close()
        self.assertEqual(wait(lambda: list(con)), ["before the end"])
        wait(lambda: list(con) == [] and not con.connected)
        self.assertEqual((con.send_line("x"), con.recv_line()), (0, ""))

    def test_a_blocking_one(self):
        con, other = self.connected(blocking=1, timeout=30)
        threading.Timer(0.05, other.sendall, (b"waited for\r\n",)).start()
        self.assertEqual(con.recv_line(30), "waited for")
        self.assertEqual(con.recv_line(timeout=0.05), "")

    def test_connecting(self):
        con, _ = self.connected()
        con.close()
        con.reconnect()
        self.assertEqual(con.connected, 1)
        taken = Sock()
        taken.set_sock(socket.create_connection(self.at))
        self.addCleanup(taken.close)
        self.assertEqual((taken.connected, taken.addr, taken.port), (1, *self.at))
        taken.set_keep_alive(taken.s)
        with self.assertRaises(OSError) as caught:
            Sock("127.0.0.1", 1)
        self.assertIn("127.0.0.1:1", str(caught.exception))

    def test_more_than_it_takes_at_a_time(self):
        con, other = self.connected()
        con.max_buf = 1000
        threading.Thread(target=other.sendall, args=(b"x" * 98 + b"\r\n",)).start()
        self.assertEqual(wait(lambda: list(con)), ["x" * 98])
        other.sendall(b"y" * 5000)
        wait(lambda: list(con) == [] and len(con.buf) == 1000)
        self.assertEqual(len(con.buf), 1000)


class Helpers(Case):
    def test_addresses(self):
        for ip, private, public, valid in (("192.168.0.1", 1, 0, 1), ("127.0.0.1", 0, 0, 1), ("8.8.8.8", 0, 1, 1)):
            self.assertEqual((lib.is_ip_private(ip), lib.is_ip_public(ip), lib.is_ip_valid(ip)), (private, public, valid))
        self.assertEqual([lib.is_ip_valid(x) for x in ("x", "", None, "1.2.3")], [0, 0, 0, 0])
        self.assertEqual([lib.is_valid_port(x) for x in (0, 1, "65535", 65536, "x", None)], [0, 1, 1, 0, 0, 0])
        self.assertEqual((lib.ip2int("1.2.3.4"), lib.int2ip(0x01020304)), (0x01020304, "1.2.3.4"))
        self.assertEqual((lib.extract_ip("seen as 203.0.113.7 now"), lib.extract_ip("x")), ("203.0.113.7", ""))
        self.assertEqual(lib.get_lan_ip("lo"), "127.0.0.1")
        self.assertIsNone(lib.get_lan_ip("nonesuch0"))
        self.assertEqual((lib.encode_str("ä", "ascii"), lib.encode_str(b"\xc3\xa4")), ("ä".encode(), "ä"))

    def test_ports(self):
        port = lib.get_unused_port()
        self.assertTrue(1024 <= port <= 65535)
        bound = lib.sequential_bind(4)
        self.assertEqual([m["source"] - bound[0]["source"] for m in bound], [0, 1, 2, 3])
        for mapping in bound:
            mapping["sock"].close()

    @needs_server
    def test_what_scripts_tell(self):
        with Rendezvous() as server, socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = server.http.split(":")
            scripts = [{"addr": "127.0.0.1", "port": 1, "url": "/x"}, {"addr": host, "port": int(port), "url": "/net.php"}]
            self.assertEqual(lib.is_port_forwarded(None, listener.getsockname()[1], "tcp", scripts), 1)
            self.assertEqual(lib.is_port_forwarded(None, 1, "TCP", scripts), 0)
            compat_net.forwarding_servers.extend(scripts)
            try:
                self.assertEqual(lib.get_wan_ip(), "127.0.0.1")
            finally:
                del compat_net.forwarding_servers[:], lib._wan_ips[:]
        self.assertIsNone(lib.get_wan_ip())

    def test_the_time(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))

            def answer():
                for _ in range(51):
                    _, asker = server.recvfrom(100)
                    seconds = time.time() + 100 + lib.NTP_TO_UNIX
                    server.sendto(b"\x1c\x01" + bytes(38) + int(seconds * 2**32).to_bytes(8, "big"), asker)
            thread = threading.Thread(target=answer)
            thread.start()
            lib.ntp_servers.append("127.0.0.1:%d" % server.getsockname()[1])
            try:
                self.assertAlmostEqual(lib.get_ntp(), time.time() + 100, delta=5)
                clock = sys_clock.SysClock()
            finally:
                lib.ntp_servers.clear()
            thread.join()
            self.assertAlmostEqual(float(clock.clock_skew), -100, delta=5)
            self.assertAlmostEqual(float(clock.time()), time.time() + 100, delta=5)
        self.assertIsNone(lib.get_ntp())
        self.assertEqual(sys_clock.SysClock().clock_skew, 0)
        self.assertEqual(sys_clock.SysClock(Decimal(5)).clock_skew, 5)
        clock = sys_clock.SysClock(Decimal(1))
        clock.data_points = [Decimal("0.02")] * 49 + [Decimal(1000)]
        self.assertEqual(clock.calculate_clock_skew(), Decimal("0.02"))

    def test_a_hybrid_reply(self):
        reply = hybrid_reply.HybridReply("msg", "p2p", "everyone")
        reply.add_routes(["a"])
        other = reply.copy()
        self.assertEqual((other.msg, other.routes, reply.status_checker(reply)), ("msg", ["a"], 1))
        self.assertIn("everyone", reply.to_str())
        self.assertEqual(sock.Replies().pop_reply(), None)

if __name__ == "__main__":
    unittest.main()
