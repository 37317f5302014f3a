"""The blocking net: lines, messages, errors, servers; and the net of events."""
import pickle
import socket
import threading
import unittest

import p2pnet
from p2pnet import EventKind, Result
from support import HUNG, Case, Rendezvous, at, needs_server, options, pair


class Lines(Case):
    def test_both_ways(self):
        for dialect in ("classic", "secure"):
            _, _, here, there = pair(self, dialect=dialect)
            here.send_line("hello")
            self.assertEqual(there.read_line(HUNG), "hello")
            there.send_line("grüß dich \u4f60\u597d")
            self.assertEqual(here.read_line(HUNG), "grüß dich \u4f60\u597d")
            self.assertEqual((here.inbound, there.inbound), (False, True))

    def test_many_in_order(self):
        _, _, here, there = pair(self)

        def send():
            for i in range(20000):
                here.send_line(f"line {i}")
            here.close()
        sender = threading.Thread(target=send)
        sender.start()
        self.assertEqual(list(there), [f"line {i}" for i in range(20000)])
        sender.join()

    def test_many_at_once(self):
        for dialect in ("classic", "secure"):
            _, _, here, there = pair(self, dialect=dialect, send_buffer=4096)
            lines = [f"line {i} 你" for i in range(5000)]

            def send(here=here, lines=lines):
                here.send_lines(lines)
                here.send_lines([])
                here.close()
            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual(list(there), lines)
            sender.join()

    def test_many_at_once_of_which_one_is_none(self):
        _, _, here, there = pair(self)
        with self.assertRaises(p2pnet.InvalidError):
            here.send_lines(["first", "a\r\nb", "never"])
        here.send_line("last")
        self.assertEqual([there.read_line(HUNG) for _ in range(2)], ["first", "last"])

    def test_bytes_that_are_no_text(self):
        a, b, here, there = pair(self)
        here.send_line(b"\xff\x00\r x")
        self.assertEqual(there.read_line(HUNG), "\ufffd\0\r x")
        for conn in (here, there):
            conn.close()
        with p2pnet.Net(encoding=None, **options()) as raw:
            conn = a.connect(at(raw), HUNG)
            conn.send_line(bytearray(b"\xff\xfe"))
            self.assertEqual(raw.accept(HUNG).read_line(HUNG), b"\xff\xfe")
        with p2pnet.Net(errors="surrogateescape", **options()) as kept:
            a.connect(at(kept), HUNG).send_line(memoryview(b"\xff\xfe"))
            conn = kept.accept(HUNG)
            conn.send_line(conn.read_line(HUNG))  # goes back as it came

    def test_what_is_no_line(self):
        _, _, here, _ = pair(self)
        for bad in ("", "a\r\nb", b"x" * (1048576 + 1)):
            with self.assertRaises(p2pnet.InvalidError) as caught:
                here.send_line(bad)
            self.assertIsInstance(caught.exception, ValueError)
        for bad in (5, None, ["x"]):
            with self.assertRaises(TypeError):
                here.send_line(bad)

    def test_a_line_at_its_longest(self):
        _, _, here, there = pair(self, max_line=4096)
        here.send_line("x" * 4096)
        self.assertEqual(len(there.read_line(HUNG)), 4096)
        with self.assertRaises(p2pnet.InvalidError) as caught:
            here.send_line("x" * 4097)
        self.assertIs(caught.exception.code, Result.TOO_LARGE)

    def test_broadcast(self):
        a, _, here, there = pair(self)
        with p2pnet.Net(**options()) as c:
            a.connect(at(c), HUNG)
            other = c.accept(HUNG)
            self.assertEqual(a.broadcast_line("to all"), 2)
            self.assertEqual((there.read_line(HUNG), other.read_line(HUNG)), ("to all", "to all"))
            self.assertEqual(a.broadcast_line("not to b", but=here), 1)
            self.assertEqual(other.read_line(HUNG), "not to b")
            self.assertEqual([conn.peer for conn in a.connections], [here.peer, at(c)])


class Messages(Case):
    def test_any_bytes(self):
        _, _, here, there = pair(self, dialect="secure")
        every = bytes(range(256)) * 1000
        for message in (every, b"", b"\r\n", "text"):
            here.send(message)
        self.assertEqual([there.read_message(HUNG) for _ in range(4)], [every, b"", b"\r\n", b"text"])

    def test_among_lines(self):
        _, _, here, there = pair(self, dialect="secure")
        here.send_line("one")
        here.send(b"two")
        here.send_line("three")
        self.assertEqual(there.read_message(HUNG), b"two")
        here.send(b"four")
        self.assertEqual([there.read(HUNG) for _ in range(3)],
                         [(EventKind.LINE, "one"), (EventKind.LINE, "three"), (EventKind.MESSAGE, b"four")])

    def test_there_are_none_in_the_classic_dialect(self):
        _, _, here, _ = pair(self)
        with self.assertRaises(p2pnet.UnsupportedError) as caught:
            here.send(b"x")
        self.assertIs(caught.exception.code, Result.UNSUPPORTED)

    def test_raw_bytes(self):
        _, _, here, there = pair(self, framing="raw")
        here.send(b"\x00\xff\r\n" * 100)
        got = b""
        while len(got) < 400:
            got += there.read_message(HUNG)
        self.assertEqual(got, b"\x00\xff\r\n" * 100)


class Errors(Case):
    def test_refused(self):
        with p2pnet.Net(**options()) as net, socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            with self.assertRaises(ConnectionRefusedError) as caught:
                net.connect(("127.0.0.1", port))
            why = caught.exception
            self.assertIsInstance(why, p2pnet.RefusedError)
            self.assertEqual((why.code, bool(why.os_error), bool(why.errno)), (Result.REFUSED, True, True))
            self.assertIn(f"127.0.0.1:{port}", str(why))

    def test_no_way_to_a_locator_and_its_story(self):
        with p2pnet.Net(**options(net_type="direct")) as a:
            with self.assertRaises(p2pnet.Error) as caught:
                a.connect(a.unl(listen_port=1, wan_ip="127.99.99.99", lan_ip="127.99.99.99"))
            self.assertEqual(a.explain(caught.exception.request)["state"], "failed")
            with self.assertRaises(p2pnet.ClosedError):
                a.explain(12345)

    def test_what_cannot_be_connected_to(self):
        with p2pnet.Net(**options()) as net:
            for bad in ("nonsense", "127.0.0.1:99999", "", ":", "a\0b"):
                with self.assertRaises(ValueError):
                    net.connect(bad)
            for bad in (5, None, ("127.0.0.1", "x"), ("127.0.0.1",)):
                with self.assertRaises(TypeError):
                    net.connect(bad)
            with self.assertRaises(p2pnet.ConnectError) as caught:
                net.connect(at(net))
            self.assertIs(caught.exception.code, Result.SELF)

    def test_no_server(self):
        with p2pnet.Net(servers=["127.0.0.1:1"], **options()) as net:
            with self.assertRaises(p2pnet.ConnectError) as caught:
                net.bootstrap(HUNG)
            self.assertIs(caught.exception.code, Result.NO_SERVER)
            self.assertIsInstance(caught.exception, ConnectionError)

    def test_a_port_in_use(self):
        with p2pnet.Net(**options()) as net:
            host, port = at(net).split(":")
            with self.assertRaises(p2pnet.IoError) as caught:
                p2pnet.Net(passive_bind=host, passive_port=int(port), dialect="classic").start()
            self.assertIsInstance(caught.exception, OSError)
            self.assertIn(at(net), str(caught.exception))

    def test_before_the_start(self):
        net = p2pnet.Net(**options())
        for call in (lambda: net.connect("127.0.0.1:1"), net.unl, net.wait_ready):
            with self.assertRaises(p2pnet.StateError):
                call()
        net.close()

    def test_started_twice(self):
        with p2pnet.Net(**options()) as net:
            with self.assertRaises(p2pnet.StateError):
                net.start()

    def test_they_can_be_pickled(self):
        why = pickle.loads(pickle.dumps(p2pnet.errors.error(Result.REFUSED, "told", 111, 7)))
        self.assertEqual((type(why), str(why), why.code, why.os_error, why.request),
                         (p2pnet.RefusedError, "told", Result.REFUSED, 111, 7))

    def test_every_code_has_a_class(self):
        for code in p2pnet.Result:
            if code < 0:
                self.assertIsNot(type(p2pnet.errors.error(code, "x")), p2pnet.Error, code)
        self.assertIs(type(p2pnet.errors.error(-999, "x")), p2pnet.Error)


class Finding(Case):
    @needs_server
    def test_by_a_server(self):
        for dialect in ("classic", "secure"):
            with Rendezvous() as server, p2pnet.Net(servers=[server.address], **options(dialect=dialect)) as alice:
                self.assertEqual(alice.bootstrap(HUNG), 0)
                alice.advertise(HUNG)
                with p2pnet.Net(servers=[server.address], **options(dialect=dialect)) as bob:
                    self.assertEqual(bob.bootstrap(HUNG), 1)
                    bob.accept(HUNG).send_line("found you")
                    self.assertEqual(alice.accept(HUNG).read_line(HUNG), "found you")

    @needs_server
    def test_messages_by_a_mailbox(self):
        with Rendezvous() as server:
            common = {"net_type": "direct", "dht_servers": [server.http]}
            with p2pnet.Net(**options(**common)) as a, p2pnet.Net(**options(**common)) as b:
                a.dht_put(b.dht_id, "by mailbox", HUNG)
                self.assertEqual(b.dht_receive(HUNG).text, "by mailbox")
                with self.assertRaises(p2pnet.InvalidError):
                    a.dht_put("nonsense", "x")

    def test_messages_by_a_dht_of_ones_own(self):
        nets = {}

        def carry(to, text):
            nets[to].dht_deliver("somebody", text)
        ids = ["aa" * 20, "bb" * 20]
        a, b = (p2pnet.Net(carry=carry, dht=i, **options(net_type="direct")).start() for i in ids)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        nets.update(zip(ids, (a, b)))
        self.assertEqual((a.dht_id, b.dht_id), tuple(ids))
        a.dht_put(ids[1], "carried", HUNG)
        self.assertEqual(b.dht_receive(HUNG), ("somebody", "carried"))
        with p2pnet.Net(**options()) as none, self.assertRaises(p2pnet.UnsupportedError):
            none.dht_id


class Events(Case):
    def test_the_net_of_events(self):
        with p2pnet.EventNet(**options()) as a, p2pnet.EventNet(**options()) as b:
            request = a.connect(at(b))
            seen, line = [], None
            while line is None:
                for net in (a, b):
                    self.assertTrue(net.wait(0.01))
                    for event in net.events():
                        seen.append((net is a, event.kind))
                        if event.kind == EventKind.DONE:
                            self.assertEqual((event.request, event.result), (request, Result.OK))
                            net.send_line(event.conn, "hello")
                            self.assertEqual(net.conns(), [event.conn])
                        if event.kind == EventKind.LINE:
                            line = event
            self.assertEqual((line.data, line.text, line.conn), (b"hello", "hello", b.conns()[0]))
            self.assertIn("LINE", repr(line))
            self.assertEqual(a.fileno(), a.fileno())
            self.assertIn((True, EventKind.READY), seen)
            a.stop()
            kinds = []
            while a.wait(HUNG):
                kinds += [event.kind for event in a.events(1)]
            self.assertIs(kinds[-1], EventKind.STOPPED)
            with self.assertRaises(p2pnet.ClosedError):
                a.connect(at(b))
            with self.assertRaises(p2pnet.ClosedError):
                b.send_line(9999, "nobody")

    def test_a_hundred_connections(self):
        with p2pnet.EventNet(**options(duplicate_ip=1, max_outbound=200)) as a, \
                p2pnet.EventNet(**options(duplicate_ip=1, max_inbound=200)) as b:
            for _ in range(100):
                a.connect(at(b))
            done = 0
            while done < 100:
                a.wait(HUNG)
                done += sum(e.kind == EventKind.DONE for e in a.events())
                list(b.events())
            self.assertEqual(len(a.conns()), 100)


if __name__ == "__main__":
    unittest.main()
