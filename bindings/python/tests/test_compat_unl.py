"""PyP2P's UNL: what it says, and connecting by it."""
import queue
import unittest

import p2pnet
from compat_support import Nets, wait
from p2pnet.compat import unl as compat_unl
from p2pnet.compat.dht_msg import DHT
from p2pnet.compat.unl import UNL
from support import HUNG

CHOSEN = "0123456789abcdef" * 4


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

if __name__ == "__main__":
    unittest.main()
