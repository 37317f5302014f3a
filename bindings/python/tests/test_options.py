"""Options as keyword arguments, and what is said about wrong ones."""
import unittest

import p2pnet
from p2pnet import options
from support import Case


class Options(Case):
    def refused(self, error, expected, **opts):
        """A net with these is refused, with all of these words."""
        with self.assertRaises(error) as caught:
            p2pnet.Net(**opts)
        for word in expected:
            self.assertIn(word, str(caught.exception))
        return caught.exception

    def test_constants_names_and_numbers(self):
        for value in ("passive", "PASSIVE", p2pnet.NodeType.PASSIVE, 1):
            with p2pnet.EventNet(node_type=value, passive_bind="127.0.0.2", dialect="classic") as net:
                self.assertIs(net.info().node_type, p2pnet.NodeType.PASSIVE)
        self.assertEqual(options.number("forwarding", ["upnp", "pcp"]), 10)
        self.assertEqual(options.number("forwarding", p2pnet.Fwd.UPNP | p2pnet.Fwd.PCP), 10)
        self.assertEqual(options.number("dedup", True), 1)
        p2pnet.EventNet(forwarding="none", mainline=["publish"], log_level="off").close()

    def test_none_is_the_default(self):
        p2pnet.EventNet(passive_port=None, servers=None, allow=None, dht=None).close()
        self.assertEqual(options.default("max_inbound"), 10)

    def test_names_that_are_none(self):
        self.refused(TypeError, ["pasive_port", "did you mean 'passive_port'?"], pasive_port=1)
        self.refused(TypeError, ["xyzzy", "names()"], xyzzy=None)

    def test_values_of_the_wrong_type(self):
        self.refused(TypeError, ["passive_port", "'x'", "expected a number"], passive_port="x")
        self.refused(TypeError, ["passive_port", "1.5"], passive_port=1.5)
        self.refused(TypeError, ["passive_bind", "expected a text"], passive_bind=127)
        self.refused(TypeError, ["node_type", "NodeType"], node_type=1.0)
        self.refused(TypeError, ["servers", "a list"], servers=8000)
        self.refused(TypeError, ["servers", "text"], servers=[8000])
        self.refused(TypeError, ["encoding"], encoding=3)

    def test_words_that_are_none_of_them(self):
        self.refused(ValueError, ["'passiv'", "passive, active"], node_type="passiv")
        self.refused(ValueError, ["'x'", "upnp"], forwarding=["upnp", "x"])
        self.refused(LookupError, ["nonsense"], encoding="nonsense")

    def test_what_the_library_refuses(self):
        why = self.refused(p2pnet.InvalidError, ["passive_port"], passive_port=65536)
        self.assertIs(why.code, p2pnet.Result.RANGE)
        self.assertIsInstance(why, ValueError)
        self.refused(p2pnet.InvalidError, ["host:port"], servers=["nonsense"])
        self.refused(p2pnet.InvalidError, ["nonsense"], passive_bind="nonsense")
        self.refused(p2pnet.InvalidError, [], allow=["nonsense"])
        self.refused(p2pnet.InvalidError, [], dht="nonsense")
        self.refused(p2pnet.InvalidError, [], key="00")
        self.refused(ValueError, ["NUL"], passive_bind="127.0.0.1\0")
        self.refused(ValueError, ["64 bits"], passive_port=1 << 70)
        # Text that cannot be UTF-8 is refused there, not an accident here.
        self.refused(p2pnet.Error, [], passive_bind="\udcff")

    def test_servers_of_all_kinds(self):
        p2pnet.EventNet(servers="127.0.0.1:1", reachability_servers=["http://127.0.0.1:1/net.php"], ntp_servers=["127.0.0.1"],
                        relay_servers=("127.0.0.1:1",), dialect="secure").close()
        p2pnet.EventNet(dht_servers=["127.0.0.1:1"], dialect="classic").close()

    def test_a_peer_list(self):
        with p2pnet.Net(dialect="secure", passive_bind="127.0.0.2", node_type="passive") as net:
            unl = net.unl()
        p2pnet.EventNet(allow=[unl, p2pnet.unl_info(unl).id], dialect="secure").close()


class Locators(Case):
    def test_reading(self):
        with p2pnet.Net(dialect="secure", passive_bind="127.0.0.2", node_type="passive") as net:
            unl, port = net.unl(), net.info().passive_port
        told = p2pnet.unl_info(unl)
        self.assertEqual((told.version, told.node_type, len(told.id)), (3, p2pnet.NodeType.PASSIVE, 43))
        self.assertIn(f"127.0.0.2:{port}", [c.address for c in told.candidates])
        self.assertGreater(told.expires, 1_700_000_000)
        p2pnet.unl_check(unl)

    def test_what_is_none(self):
        for bad in ("", "nonsense", "p2p3" + "A" * 100, "é"):
            with self.assertRaises(p2pnet.InvalidError):
                p2pnet.unl_info(bad)
            with self.assertRaises(p2pnet.InvalidError):
                p2pnet.unl_check(bad)
        with self.assertRaises(TypeError):
            p2pnet.unl_info(5)
        with self.assertRaises(ValueError):
            p2pnet.unl_info("a\0b")

    def test_changes(self):
        with p2pnet.Net(dialect="classic", net_type="direct", passive_bind="127.0.0.2", node_type="passive") as net:
            changed = p2pnet.unl_info(net.unl(wan_ip="203.0.113.7", listen_port=4321, node_type="active"))
            self.assertEqual(changed.node_type, p2pnet.NodeType.ACTIVE)
            self.assertTrue(any("203.0.113.7" in c.address for c in changed.candidates))
            for bad in ({"wan_ip": "x"}, {"nonsense": "1"}, {"listen_port": "99999999"}):
                with self.assertRaises(p2pnet.InvalidError) as caught:
                    net.unl(**bad)
                self.assertTrue(str(caught.exception))


if __name__ == "__main__":
    unittest.main()
