"""PyP2P's names: what programs see and set."""
import inspect
import queue
import socket
import threading
import time
import unittest
from decimal import Decimal

import p2pnet
from p2pnet.compat import _msgpack, dht_msg, hybrid_reply, lib, net as compat_net, nat_pmp, rendezvous_client, sock, sys_clock
from p2pnet.compat import unl as compat_unl, upnp
from p2pnet.compat._gone import Gone
from p2pnet.compat.dht_msg import DHT
from p2pnet.compat.net import Net
from p2pnet.compat.sock import Sock
from p2pnet.compat.unl import UNL
from support import HUNG, Case, Rendezvous, address, needs_server

CHOSEN = "0123456789abcdef" * 4


def wait(condition):
    """Looks until it holds."""
    end = time.monotonic() + HUNG / 2
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"hung: {inspect.getsource(condition)}")
        time.sleep(0.01)


class Nets(Case):
    def net(self, **more):
        more.setdefault("passive_bind", address())
        net = Net(**{"passive_port": 0, "node_type": "passive", **more})
        self.addCleanup(net.stop)
        return net.start()

    def joined(self, **more):
        """Two nets, and their connection at each."""
        a, b = self.net(**more), self.net(**more)
        here = a.add_node(b.passive_bind, b.passive_port, "passive")
        self.assertIsNotNone(here)
        return a, b, here, wait(lambda: next(iter(b), None))


class Lines(Nets):
    def test_a_net_is_a_list_of_lists(self):
        a, b, here, there = self.joined()
        self.assertEqual(here.send_line("hello"), 7)
        self.assertEqual(here.send_line("grüße"), len("grüße".encode()) + 2)
        lines = []
        while len(lines) < 2:
            for con in b:
                for reply in con:
                    lines.append(reply)
        self.assertEqual(lines, ["hello", "grüße"])
        self.assertEqual((len(a), len(b), a.get_connection_no()), (1, 1, 1))
        self.assertTrue(isinstance(here, Sock) and here.connected == 1 and bool(here) and bool(a))

    def test_as_a_list(self):
        _, _, here, there = self.joined()
        for i in range(4):
            here.send_line(str(i))
        wait(lambda: len(there) == 4)
        self.assertEqual((there[0], there[-1]), ("0", "3"))
        there[0] = "changed"
        del there[1]
        self.assertEqual(there.pop_reply(), "changed")
        self.assertEqual(list(reversed(there)), ["2", "3"])
        self.assertIsNone(there.pop_reply())
        self.assertEqual(there.recv_line(), "")
        there.set_blocking(1, 30)
        here.send_line("waited for")
        self.assertEqual(there.recv_line(timeout=30), "waited for")
        here.send_line("as bytes")
        self.assertEqual(there.recv(100, encoding="ascii"), b"as bytes\r\n")

    def test_pieces_of_lines(self):
        _, _, here, there = self.joined()
        here.send("half a ")
        here.send("line\r\nanother\r\n", send_all=1)
        self.assertEqual(wait(lambda: list(there) if len(there) == 2 else None), ["half a line", "another"])

    def test_filter_and_duplicates(self):
        a, b, here, there = self.joined()
        there.reply_filter = lambda line: line != "no"
        for line in ("yes", "no", "yes"):
            here.send_line(line)
        self.assertEqual(wait(lambda: list(there) if len(there) == 3 else None), ["yes", "", "yes"])
        there.reply_filter = None
        compat_net.clear_seen_messages()
        b.disable_duplicates()
        for line in ("once", "once", "end"):
            here.send_line(line)
        self.assertEqual(wait(lambda: list(there) if len(there) == 2 else None), ["once", "end"])
        self.assertEqual(compat_net.is_msg_old("once"), 1)
        self.assertEqual((compat_net.record_msg_hash("new"), compat_net.record_msg_hash("new")), (1, 0))
        compat_net.clear_seen_messages()
        self.assertEqual(compat_net.is_msg_old("once", record_seen=1), 0)
        self.assertEqual(compat_net.is_msg_old("once"), 1)
        compat_net.clear_seen_messages()

    def test_broadcast_but_to_whom_it_came_from(self):
        a, b, here, there = self.joined()
        c = self.net()
        a.add_node(c.passive_bind, c.passive_port, "passive")
        third = wait(lambda: next(iter(c), None))
        a.broadcast("for c", here)
        a.broadcast("for all")
        self.assertEqual(wait(lambda: list(third) if len(third) == 2 else None), ["for c", "for all"])
        self.assertEqual(wait(lambda: list(there)), ["for all"])

    def test_the_end_of_a_connection(self):
        a, b, here, there = self.joined()
        here.send_line("last words")
        here.close()
        self.assertEqual((here.connected, here.send_line("x")), (0, 0))
        got = wait(lambda: [line for con in b for line in con])
        self.assertEqual(got, ["last words"])
        wait(lambda: len(b) == 0 and len(a) == 0)
        self.assertEqual((there.connected, there.send_line("x"), there.recv_line()), (0, 0, ""))
        with self.assertRaises(OSError):
            there.s.getpeername()

    def test_what_a_connection_has_no_more(self):
        _, b, here, _ = self.joined()
        self.assertEqual(here.s.getpeername(), (b.passive_bind, b.passive_port))
        for call in (lambda: here.connect("127.0.0.1", 1), lambda: here.set_sock(None), lambda: here.s.recv(5)):
            with self.assertRaises(Gone) as caught:
                call()
            self.assertIn("not part of p2pnet.compat", str(caught.exception))
        with self.assertRaises(AssertionError):
            here.send_line("")


class Facts(Nets):
    def test_signatures_of_pyp2p(self):
        told = {
            Net: "net_type nat_type node_type max_outbound max_inbound passive_bind passive_port interface wan_ip dht_node "
                 "error_log_path debug sys_clock servers",
            Sock: "addr port blocking timeout interface use_ssl debug",
            UNL: "net dht_node value wan_ip debug",
            DHT: "node_id ip port password network_id debug networking",
            UNL.connect: "self their_unl events force_master hairpin nonce",
            hybrid_reply.HybridReply: "msg network recipient retransmit_interval record_seen",
            rendezvous_client.RendezvousClient: "nat_type rendezvous_servers interface sys_clock",
            Sock.send: "self msg send_all timeout encoding", Sock.send_line: "self msg timeout",
            Sock.recv: "self n encoding timeout", Sock.recv_line: "self timeout",
            Net.add_node: "self node_ip node_port node_type timeout", Net.broadcast: "self msg source_con",
        }
        for what, names in told.items():
            self.assertEqual(list(inspect.signature(what).parameters), names.split(), what)
        self.assertEqual(inspect.signature(Net).parameters["passive_port"].default, 50500)

    def test_what_star_imports_bring(self):
        names = {}
        exec("from p2pnet.compat.net import *", names)
        for name in ("Net", "Sock", "UNL", "time", "socket", "get_lan_ip", "is_ip_valid", "rendezvous_servers", "os", "sys",
                     "re", "random", "Thread", "hashlib", "RendezvousClient"):
            self.assertIn(name, names)

    def test_names_of_the_parity_list(self):
        for kind, names in {
            Net: "start stop bootstrap advertise synchronize synchronize_loop add_node validate_node broadcast con_by_unl "
                 "con_by_ip con_by_id generate_con_id get_connection_no close_cons determine_node start_passive_server "
                 "disable_duplicates disable_bootstrap disable_advertise disable_simultaneous disable_forwarding debug_print",
            Sock: "connect reconnect close set_sock set_blocking set_keep_alive send send_line recv recv_line update get_chunks "
                  "parse_buf pop_reply reply_callback",
            DHT: "register put list direct_message relay_message repeat_relay_message async_direct_message "
                 "send_direct_message async_dht_put async_dht_get hook_queue has_messages get_messages add_message_handler "
                 "remove_transfer_request_handler add_relay_link get_id get_neighbours has_testable_neighbours "
                 "can_test_knode serialize_message build_dht_response rand_str stop",
            rendezvous_client.RendezvousClient: "server_connect leave_fight passive_listen simultaneous_listen "
                 "simultaneous_challenge sequential_connect attend_fight simultaneous_fight throw_punch add_listen_sock "
                 "predict_mappings determine_nat delta_test parse_remote_port",
            lib: "get_wan_ip get_lan_ip get_default_gateway get_ntp get_unused_port is_port_forwarded is_ip_private is_ip_public "
                 "is_ip_valid is_valid_port ip2int int2ip sequential_bind busy_wait request_priority_execution "
                 "release_priority_execution log_exception parse_exception encode_str memoize extract_ip",
            compat_net: "max_retransmissions min_retransmit_interval propagation_delay seen_messages dht_msg_interval "
                 "rendezvous_interval advertise_interval sim_open_interval rendezvous_servers forwarding_servers is_msg_old "
                 "record_msg_hash clear_seen_messages",
        }.items():
            for name in names.split():
                self.assertTrue(hasattr(kind, name), f"{kind}.{name}")
        net, con, dht = Net(), Sock(), DHT(networking=0)
        for what, names in (
            (net, "outbound inbound passive passive_port node_type nat_type forwarding_type wan_ip unl dht_node dht_messages "
                  "rendezvous min_connected enable_bootstrap enable_advertise enable_forwarding enable_simultaneous "
                  "enable_duplicates enable_duplicate_ip_cons pending_reverse_queries reverse_query_expiry last_bootstrap "
                  "last_advertise is_net_started"),
            (con, "connected addr port s nonce nonce_buf unl buf replies max_buf max_chunks chunk_size delimiter alive timeout "
                  "blocking reply_filter"),
            (dht, "node_id password neighbours has_mutex is_registered is_mutex_ready is_neighbours_ready protocol"),
            (net.rendezvous, "nat_tests port_collisions mapping_no ntp_delay timeout delta predictable_nats")):
            for name in names.split():
                self.assertTrue(hasattr(what, name), f"{what}.{name}")

    def test_attributes(self):
        a, b, here, there = self.joined()
        self.assertEqual((a.node_type, a.forwarding_type, a.is_net_started), ("passive", "manual", 1))
        self.assertEqual(a.passive.getsockname(), (a.passive_bind, a.passive_port))
        self.assertEqual([(n["type"], n["con"], n["ip"], n["port"]) for n in a.outbound],
                         [("passive", here, b.passive_bind, b.passive_port)])
        b.synchronize()
        self.assertEqual([(n["type"], n["ip"]) for n in b.inbound], [("accept", a.passive_bind)])
        self.assertEqual((a.con_by_ip(b.passive_bind), a.con_by_ip("127.0.0.99")), (here, None))
        self.assertEqual(a.validate_node(b.passive_bind), 0)  # connected
        for ip, port, valid in (("x", 1, 0), ("0.0.0.0", 1, 0), (a.passive_bind, 1, 0), ("127.0.0.99", 99999, 0),
                                ("127.0.0.99", 1, 1)):
            self.assertEqual(a.validate_node(ip, port), valid, ip)
        self.assertIs(a.add_node(b.passive_bind, b.passive_port, "passive"), here)
        self.assertIsNone(a.add_node("127.0.0.99", 1, "passive"))
        self.assertIsNone(a.add_node("127.0.0.99", 1, "nonsense"))
        a.close_cons()
        wait(lambda: len(a) == 0 and len(b) == 0)

    def test_before_the_start_and_after_the_stop(self):
        net = Net(passive_bind=address(), passive_port=0, node_type="passive")
        for call in (net.bootstrap, net.advertise, lambda: net.add_node("127.0.0.9", 1, "passive")):
            with self.assertRaises(Exception):
                call()
        self.assertEqual((len(net), list(net), net.node_type), (0, [], "passive"))
        net.start()
        net.stop()
        net.stop()
        self.assertEqual((len(net), list(net)), (0, []))
        with self.assertRaises(Exception):
            net.stop(2, None)
        with self.assertRaises(p2pnet.Error):
            Net(passive_bind="192.0.2.1").start()
        with self.assertRaises(ValueError):
            Net(node_type="nonsense").start()

    def test_a_server_that_is_not_there(self):
        with self.assertLogs("p2pnet.compat", "WARNING"):
            net = self.net(servers=[{"addr": "127.0.0.1", "port": 1}])
            self.assertIs(net.bootstrap(), net)
        self.assertIsNone(net.bootstrap())  # not again so soon
        net.disable_advertise()
        self.assertIsNone(net.advertise())

    @needs_server
    def test_by_a_server_by_hand(self):
        with Rendezvous() as server:
            host, port = server.address.split(":")
            client = rendezvous_client.RendezvousClient("preserving", [{"addr": host, "port": int(port)}],
                                                         interface=address())
            con = client.server_connect()
            con.send_line("SOURCE TCP")
            self.assertGreater(client.parse_remote_port(con.recv_line()), 0)
            con.close()
            client.passive_listen(4444)
            server.wait_for("registered")
            client.leave_fight()
            server.wait_for("cleared")
            with self.assertRaises(Gone):
                client.simultaneous_challenge("127.0.0.1", 1, "TCP")
            with self.assertRaises(Exception):
                rendezvous_client.RendezvousClient("preserving", []).server_connect()

    def test_what_is_gone_says_what_to_do(self):
        for call in (lambda: upnp.UPnP().forward_port("TCP", 1, "x"), nat_pmp.get_public_address,
                     lambda: nat_pmp.NatPMP().forward_port("TCP", 1, "x"), nat_pmp.map_tcp_port):
            with self.assertRaises(NotImplementedError):
                call()


class Unls(Nets):
    def direct(self, **more):
        return self.net(net_type="direct", nat_type="preserving", **more)

    def test_what_a_unl_says(self):
        a = self.direct()
        told = a.unl.deconstruct()
        self.assertEqual(told, {"value": a.unl.value, "version": 2, "node_id": bytes(20), "node_type": "passive",
                                "nat_type": "preserving", "forwarding_type": "manual", "listen_port": a.passive_port,
                                "wan_ip": a.passive_bind, "lan_ip": a.passive_bind})
        changed = a.unl.construct({"wan_ip": "203.0.113.7", "node_type": "active", "node_id": b"abc", "listen_port": 7,
                                   "nat_type": "random", "forwarding_type": "UPnP", "lan_ip": "10.0.0.1"})
        told = a.unl.deconstruct(changed)
        self.assertEqual((told["wan_ip"], told["node_type"], told["node_id"], told["listen_port"], told["nat_type"],
                          told["forwarding_type"], told["lan_ip"]),
                         ("203.0.113.7", "active", b"abc" + bytes(17), 7, "random", "UPnP", "10.0.0.1"))
        p2pnet.unl_check(changed)
        self.assertEqual(compat_unl.is_valid_unl(changed), 1)
        self.assertEqual(UNL(value=a.unl.value), a.unl)
        self.assertNotEqual(UNL(value=changed), a.unl)
        self.assertEqual(UNL(value=a.unl.value.encode()).value, a.unl.value)
        self.assertEqual(UNL(value="b").is_master("a") + UNL(value="a").is_master("b"), 1)

    def test_what_is_none(self):
        for bad in ("", "nonsense", b"\xff", None, 5, self.direct().unl.value[:-4] + "AAA="):
            self.assertEqual(compat_unl.is_valid_unl(bad), 0, bad)
        with self.assertLogs("p2pnet.compat"):
            self.assertIsNone(UNL(value="x").deconstruct())
        with self.assertRaises(Exception):
            UNL().construct()

    def test_connecting(self):
        for nonce in (None, CHOSEN):
            a, b = self.direct(), self.direct()
            done, more = queue.Queue(), {} if nonce is None else {"nonce": nonce}
            a.unl.connect(b.unl.construct(), {"success": done.put, "failure": done.put}, **more)
            con = done.get(timeout=HUNG)
            self.assertIsNotNone(con)
            con.send_line("hello")
            other = wait(lambda: next(iter(b), None))
            self.assertEqual(wait(lambda: list(other)), ["hello"])
            self.assertEqual(con.nonce, nonce or "0" * 64)
            self.assertEqual(other.nonce, "0" * 64 if nonce is None else "")
            self.assertIs(a.con_by_unl(b.unl.value), con)
            self.assertIs(b.con_by_id(a.generate_con_id(con.nonce, b.passive_bind, a.passive_bind)), other)
            self.assertIs(a.con_by_id(b.generate_con_id(con.nonce, a.passive_bind, b.passive_bind)), con)
            self.assertEqual(list(iter(a)), [con])

    def test_failing(self):
        a = self.direct()
        done = queue.Queue()
        events = {"success": lambda con: done.put(con), "failure": lambda con: done.put("failed")}
        with self.assertLogs("p2pnet.compat", "WARNING"):
            for bad in ("nonsense", a.unl.construct({"wan_ip": "127.0.0.99", "lan_ip": "127.0.0.99", "listen_port": 1})):
                a.unl.connect(bad, events)
                self.assertEqual(done.get(timeout=HUNG), "failed")
            a.unl.connect(b"nonsense", None)
        wait(lambda: not any(t.is_alive() for t in a.unl.unl_threads))
        self.assertEqual(a.unl.pending_unls, [])

    def test_stop_while_connecting(self):
        a = self.direct()
        done = queue.Queue()
        with self.assertLogs("p2pnet.compat", "WARNING"):
            unl = a.unl.construct({"wan_ip": "127.0.0.99", "lan_ip": "127.0.0.99", "node_type": "active"})
            a.unl.connect(unl, {"failure": lambda con: done.put("failed")})
            wait(lambda: a.unl.pending_unls)
            a.stop()
            self.assertEqual(done.get(timeout=HUNG), "failed")

    def test_a_reverse_connect(self):
        """Bob cannot be reached: Alice asks him by message, over DHT objects of this process."""
        alice_dht, bob_dht = DHT(networking=0), DHT(networking=0)
        alice_dht.add_relay_link(bob_dht)
        bob_dht.add_relay_link(alice_dht)
        alice = self.direct(dht_node=alice_dht)
        bob = self.direct(dht_node=bob_dht, node_type="active")
        self.assertEqual(alice.unl.deconstruct()["node_id"], alice_dht.get_id())
        done = queue.Queue()
        alice.unl.connect(bob.unl.value, {"success": done.put, "failure": done.put})
        con = wait(lambda: list(bob) is None or list(alice) is None or not done.empty() and done.get())
        con.send_line("reversed")
        self.assertEqual(wait(lambda: [line for c in bob for line in c]), ["reversed"])
        self.assertTrue(con.conn.inbound)

    def test_a_dht_of_another_kind(self):
        """Any object with the few methods that PyP2P asks of one."""
        class Other:
            def __init__(self, name):
                self.name, self.handlers, self.inbox = name, [], queue.Queue()

            def get_id(self):
                return self.name

            def add_message_handler(self, handler):
                self.handlers.append(handler)

            def repeat_relay_message(self, node_id, msg):
                others[node_id].inbox.put(msg)

            def pump(self):
                while not self.inbox.empty():
                    msg = self.inbox.get()
                    for handler in self.handlers:
                        handler(self, msg)
                return True
        others = {name: Other(name) for name in (b"a" * 20, b"b" * 20)}
        alice = self.direct(dht_node=others[b"a" * 20])
        bob = self.direct(dht_node=others[b"b" * 20], node_type="active")
        done = queue.Queue()
        alice.unl.connect(bob.unl.value, {"success": done.put, "failure": done.put})

        def turn():
            list(alice), list(bob)
            return all(other.pump() for other in others.values()) and not done.empty() and done.get()
        self.assertTrue(wait(turn).connected)
        others[b"a" * 20].inbox.put("{'status': 'SYN', 'x': 1}")
        others[b"a" * 20].pump()
        self.assertEqual(alice.dht_messages, [{"message": "{'status': 'SYN', 'x': 1}", "source": None}])


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
