"""PyP2P's names: what programs see and set."""
import inspect
import unittest

import p2pnet
from compat_support import Nets, wait
from p2pnet.compat import hybrid_reply, lib, nat_pmp, rendezvous_client, upnp
from p2pnet.compat import net as compat_net
from p2pnet.compat._gone import Gone
from p2pnet.compat.dht_msg import DHT
from p2pnet.compat.net import Net
from p2pnet.compat.sock import Sock
from p2pnet.compat.unl import UNL
from support import Case, Rendezvous, address, needs_server


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

if __name__ == "__main__":
    unittest.main()
