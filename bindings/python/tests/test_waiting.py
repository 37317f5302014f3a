"""The blocking net: waiting, giving up, several threads, and every kind of end."""
import contextlib
import os
import select
import signal
import socket
import threading
import time
import unittest

import p2pnet
from p2pnet import Result
from support import HUNG, Case, at, options, pair, python, until


class Waiting(Case):
    def test_times(self):
        a, _, here, _ = pair(self)
        with self.assertRaises(TimeoutError) as caught:
            here.read_line(0)
        self.assertIsInstance(caught.exception, p2pnet.TimeoutError)
        with self.assertRaises(p2pnet.TimeoutError):
            here.read_line(0.05)
        with self.assertRaises(p2pnet.TimeoutError):
            a.accept(0.01)

    def test_a_connect_that_is_given_up_is_cancelled(self):
        with socket.socket() as silent, p2pnet.Net(**options(handshake_timeout_ms=60000, dialect="secure")) as net:
            silent.bind(("127.0.0.1", 0))
            silent.listen()  # accepts, and never says a word
            with self.assertRaises(p2pnet.TimeoutError):
                net.connect(silent.getsockname(), timeout=0.2)
            end = time.monotonic() + HUNG / 2
            while net._router.abandoned:  # until the cancelled request has told so
                self.assertLess(time.monotonic(), end)
                net.poll()
                time.sleep(0.01)
            self.assertEqual(net.connections, [])

    def test_ctrl_c(self):
        _, _, here, _ = pair(self)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        with self.assertRaises(KeyboardInterrupt):
            timer.start()
            here.read_line()
        timer.join()
        with self.assertRaises(p2pnet.TimeoutError):  # it works on
            here.read_line(0.01)

    def test_many_threads_at_one_net(self):
        a, b = (p2pnet.Net(**options(duplicate_ip=1, max_inbound=64, max_outbound=64)).start() for _ in range(2))
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        got = []

        def echo():
            for _ in range(16):
                conn = b.accept(HUNG)
                threads.append(threading.Thread(target=answer, args=(conn,)))
                threads[-1].start()

        def answer(conn):
            for line in conn:
                conn.send_line("echo " + line)

        def talk(n):
            with a.connect(at(b), HUNG) as conn:
                for i in range(50):
                    conn.send_line(f"{n} {i}")
                    got.append(conn.read_line(HUNG) == f"echo {n} {i}")
        threads = [threading.Thread(target=echo)] + [threading.Thread(target=talk, args=(n,)) for n in range(16)]
        for thread in threads[:]:
            thread.start()
        for thread in threads[:17]:
            thread.join()
        for thread in threads:
            thread.join()
        self.assertEqual((len(got), all(got)), (800, True))

    def test_a_peer_that_does_not_read(self):
        _, _, here, there = pair(self, send_buffer=65536, recv_buffer=65536, max_unread=1 << 18)
        sent, core = 0, here.net.core
        full = False
        while not full:  # until there is no room even for one that does not wait
            line = f"{sent} " + "x" * 8000
            try:
                here.send_line(line, timeout=0.3)
                sent += 1
            except p2pnet.TimeoutError:
                try:
                    core.send_line(here.id, line)
                    sent += 1
                except p2pnet.WouldBlockError as why:
                    self.assertIsInstance(why, BlockingIOError)
                    full = True
        read = 0
        while read < sent:
            self.assertTrue(there.read_line(HUNG).startswith(f"{read} "))
            read += 1
        here.send_line("there is room again", timeout=HUNG)
        self.assertEqual(there.read_line(HUNG), "there is room again")

    def test_what_is_not_read_is_bounded(self):
        _, b, here, there = pair(self, send_buffer=65536, recv_buffer=65536, max_unread=100_000)
        end = time.monotonic() + HUNG / 2
        with self.assertLogs("p2pnet", "WARNING"):
            while not b._router.full():
                self.assertLess(time.monotonic(), end)
                with contextlib.suppress(p2pnet.TimeoutError):
                    here.send_line("x" * 8000, timeout=0)
                b.poll()
        before = b._router.unread
        self.assertLess(before, 100_000 + 10_000)
        b.poll()
        self.assertEqual(b._router.unread, before)
        with self.assertRaises(p2pnet.TimeoutError):
            b.accept(0.05)  # nothing more is taken
        self.assertEqual(there.read_line(0), "x" * 8000)


class Ends(Case):
    def test_the_peer_closes(self):
        _, _, here, there = pair(self)
        there.send_line("last words")
        there.close()
        self.assertEqual(list(here), ["last words"])
        self.assertTrue(here.closed)
        self.assertIs(here.close_reason.code, Result.CLOSED)
        for use in (lambda: here.send_line("x"), here.read_line, here.info):
            with self.assertRaises(p2pnet.ClosedError):
                use()

    def test_we_close(self):
        _, _, here, there = pair(self)
        here.close()
        here.close()
        self.assertEqual(list(there), [])
        with self.assertRaises(p2pnet.ClosedError):
            while True:
                here.read_line(HUNG)
        self.assertIs(here.close_reason.code, Result.OK)

    def test_a_peer_that_dies(self):
        """Its process is killed. Classic: it looks as if it had closed. Secure: the link is made anew, in vain."""
        for dialect in ("classic", "secure"):
            opts = options(dialect=dialect, resume_grace_ms=500)
            with p2pnet.Net(**opts) as net:
                with python("-c", "import p2pnet, sys\n"
                            f"net = p2pnet.Net(node_type='passive', passive_bind='127.0.0.9', dialect='{dialect}').start()\n"
                            f"conn = net.connect('{at(net)}')\n"
                            "conn.send_line('here I am')\n"
                            "conn.read_line()") as peer:
                    conn = net.accept(HUNG)
                    self.assertEqual(conn.read_line(HUNG), "here I am")
                    conn.send_line("\u00e4" * 10 + " this may not arrive")
                    peer.process.kill()
                    with self.assertRaises(p2pnet.ClosedError):
                        conn.read_line(HUNG)
                    self.assertTrue(str(conn.close_reason))

    def test_the_socket_is_taken(self):
        _, _, here, there = pair(self)
        here.send_line("by line")
        self.assertEqual(there.read_line(HUNG), "by line")
        taken, rest = here.take_socket()
        with taken:
            self.assertEqual(rest, b"")
            taken.setblocking(True)
            taken.sendall(b"by hand\r\n")
            self.assertEqual(there.read_line(HUNG), "by hand")
        self.assertEqual(list(there), [])

    def test_closing_while_others_wait(self):
        a, b, here, there = pair(self, close_timeout_ms=3000)  # somebody who is silent does not close either
        ended = []

        def wait(function):
            try:
                function()
            except p2pnet.Error as why:
                ended.append(type(why))
        silent = socket.socket()
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        self.addCleanup(silent.close)
        waits = [here.read_line, a.accept, lambda: list(here), a.dht_receive,
                 lambda: a.connect(silent.getsockname()) and a.accept()]
        threads = [threading.Thread(target=wait, args=(w,)) for w in waits]
        for thread in threads:
            thread.start()
        while a._leader is None:
            time.sleep(0.001)
        a.close()
        for thread in threads:
            thread.join(HUNG)
            self.assertFalse(thread.is_alive())
        self.assertTrue(all(issubclass(e, (p2pnet.ClosedError, p2pnet.CanceledError)) for e in ended), ended)
        self.assertGreaterEqual(len(ended), 4)  # iterating ends without an error
        self.assertEqual(list(there), [])

    def test_stop_while_busy(self):
        a, _, here, there = pair(self)
        stop = threading.Event()

        def flood():
            try:
                while not stop.is_set():
                    here.send_line("x" * 1000)
            except p2pnet.ClosedError:
                pass

        def drain():
            try:
                for _ in there:
                    pass
            except p2pnet.ClosedError:
                pass
        threads = [threading.Thread(target=flood) for _ in range(3)] + [threading.Thread(target=drain)]
        for thread in threads:
            thread.start()
        until(self, lambda: a.stats().lines_out > 100)
        a.close()
        for thread in threads:
            thread.join(HUNG)
            self.assertFalse(thread.is_alive())
        stop.set()

    def test_events_are_taken_ahead_and_nobody_sleeps_on_them(self):
        a, b, here, there = pair(self)
        core, n = b.core, 1000
        for i in range(n):
            here.send_line(str(i))
        got = []
        while len(got) < n:
            self.assertTrue(core.wait(HUNG))
            event = core.next_event()
            if event is not None and event.kind is p2pnet.EventKind.LINE:
                got.append((event.conn, int(event.data)))
            if core._ahead:  # what has been taken ahead shows in the descriptor
                self.assertEqual(select.select([core.fileno()], [], [], 0)[0], [core.fileno()])
        self.assertEqual(got, [(there.id, i) for i in range(n)])
        self.assertIsNone(core.next_event())
        self.assertEqual(select.select([core.fileno()], [], [], 0)[0], [])
        self.assertEqual(b.stats().events_queued, 0)

    def test_several_threads_take_events(self):
        a, b, here, there = pair(self)
        n, got, lock = 5000, [], threading.Lock()

        def take():
            while True:
                event = b.core.next_event()
                if event is None:
                    with lock:
                        if len(got) == n:
                            return
                    b.core.wait(0.01)
                elif event.kind is p2pnet.EventKind.LINE:
                    with lock:
                        got.append(int(event.data))
        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(n):
            here.send_line(str(i))
        for thread in threads:
            thread.join(HUNG)
            self.assertFalse(thread.is_alive())
        self.assertEqual(sorted(got), list(range(n)))

    def test_use_after_close(self):
        a, _, here, _ = pair(self)
        a.close()
        a.close()
        core = a.core
        uses = [a.start, a.stop, a.poll, a.unl, a.info, a.stats, a.report, a.bootstrap, a.advertise, a.accept, a.wait_ready,
                a.network_changed, a.dht_receive, lambda: a.connect("127.0.0.1:1"), lambda: a.broadcast_line("x"),
                lambda: a.explain(1), lambda: a.dht_id, lambda: a.dht_put("00" * 20, "x"), lambda: a.dht_deliver("", "x"),
                lambda: here.send_line("x"), lambda: here.send(b"x"), here.read_line, here.read_message, here.read, here.info,
                here.take_socket, core.next_event, core.fileno, core.wait, core.conns, lambda: core.cancel(1),
                lambda: core.conn_close(1), lambda: core.unl_connect_classic("x"), lambda: a.unl(wan_ip="127.0.0.1")]
        for number, use in enumerate(uses):
            with self.assertRaises(p2pnet.ClosedError, msg=number):
                use()
        here.close()
        self.assertEqual(list(here), [])
        self.assertIn("closed", repr(a))
        self.assertTrue(here.closed)


class Situations(Case):
    def test_info_stats_report(self):
        a, b, here, there = pair(self)
        here.send_line("x")
        there.read_line(HUNG)
        info, stats = b.info(), b.stats()
        self.assertEqual((info.node_type, info.inbound, info.outbound, info.clock_offset),
                         (p2pnet.NodeType.PASSIVE, 1, 0, None))
        self.assertEqual((stats.lines_in, stats.opened), (1, 1))
        self.assertIsInstance(b.report(), dict)
        told = here.info()
        self.assertEqual((told.peer, told.inbound, told.via), (at(b), False, p2pnet.Via.DIRECT))
        self.assertEqual(told.path, p2pnet.Path.FIRST)
        a.network_changed()

    def test_on_info(self):
        told = []
        with p2pnet.Net(on_info=lambda: told.append(1), **options()) as net:
            net._router.infos = 1
            net.poll()
        self.assertEqual(told, [1])

if __name__ == "__main__":
    unittest.main()
