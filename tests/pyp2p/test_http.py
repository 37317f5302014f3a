"""The original's HTTP clients against our server: net.php and the mailbox behind its DHT class."""
import base64
import hashlib
import socket
import string
import struct

from cases import case
from world import HTTP_PORT, NODE_PORT, RENDEZVOUS_PORT


def http_server(world):
    """Our server; the settings that point an original at it."""
    ip, _ = world.server("ours")
    return {"servers": [(ip, RENDEZVOUS_PORT)], "http": (ip, HTTP_PORT)}


@case
def wan_ip_and_reachability(world):
    """get_wan_ip and is_port_forwarded; a node that finds itself reachable calls itself passive."""
    servers = http_server(world)
    # Without an interface, Linux sends from 127.0.0.1 to everywhere in 127/8.
    node = world.original(2, wan_ip=None, node_type="unknown", forwarding=True, **servers)
    assert node.ready["wan_ip"] == "127.0.0.1", node.ready
    assert (node.ready["node_type"], node.ready["forwarding_type"]) == ("passive", "forwarded"), node.ready
    assert node.call("is_forwarded", ip=node.ip, port=NODE_PORT) == 1
    assert node.call("is_forwarded", ip=node.ip, port=NODE_PORT + 1) == 0
    # Nobody listens on that port at this address.
    assert node.call("is_forwarded", ip=world.ip(3), port=NODE_PORT) == 0
    ours = world.net(3)
    assert node.call("is_forwarded", ip=ours.ip, port=NODE_PORT) == 1


@case
def messages_through_the_mailbox(world):
    """Two DHT nodes register, see each other, and exchange messages of every kind the original can write."""
    servers = http_server(world)
    alice = world.original(2, dht="A" * 20, **servers)
    bob = world.original(3, dht="B" * 20, **servers)
    assert [name for _, _, name in bob.call("neighbours")] in ([], ["A" * 20])
    for value in ["hello", "gr\u00fc\u00df \U0001f980", "1", [1, "two", None], {"status": "SYN"}, 2 ** 40, "x" * 2000]:
        alice.call("message", node_id="B" * 20, value=value)
        # It evaluates texts that look like Python.
        expected = 1 if value == "1" else value
        assert bob.expect("message")["value"] == expected
    bob.call("message", node_id="A" * 20, value="and back")
    assert alice.expect("message")["value"] == "and back"


@case
def a_message_waits(world):
    """A message to a node that is not there yet is delivered when it comes."""
    servers = http_server(world)
    alice = world.original(2, dht="A" * 20, **servers)
    alice.call("message", node_id="C" * 20, value="early")
    alice.call("message", node_id="A" * 20, value="to myself")
    assert alice.expect("message")["value"] == "to myself"
    carol = world.original(4, dht="C" * 20, **servers)
    assert carol.expect("message")["value"] == "early"


def id_without_plus(ip):
    """A DHT id with which the UNL of a passive node has no "+", and that UNL."""
    address = struct.unpack("!I", socket.inet_aton(ip))[0]
    for letter in string.ascii_letters:
        name = letter * 20
        fields = struct.pack("<B20s3sHII", 2, name.encode(), b"pgm", NODE_PORT, address, address)
        check = hashlib.sha256(hashlib.sha256(fields).digest()).digest()[:4]
        unl = base64.b64encode(fields + check).decode()
        if "+" not in unl:
            return name, unl
    raise AssertionError("52 checksums with a + in a row")


@case
def reverse_connect_through_the_mailbox(world):
    """Alice cannot reach Bob, so she asks him by a message to connect to her, and he checks that she did."""
    servers = http_server(world)
    # The original takes its peer's UNL for a regular expression when the answer to its check comes.
    name, unl = id_without_plus(world.ip(2))
    alice = world.original(2, net_type="direct", dht=name, **servers)
    assert alice.ready["unl"] == unl
    bob = world.original(3, net_type="direct", node_type="active", dht="B" * 20, **servers)
    alice.call("unl_connect", unl=bob.ready["unl"])
    at_alice = alice.expect("connected")["con"]
    at_bob = bob.expect("opened", ip=alice.ip)["con"]
    bob.send(at_bob, "you called?")
    assert alice.lines(at_alice, 1) == ["you called?"]
    # REVERSE_QUERY and REVERSE_ORIGIN have been exchanged when Bob waits for nothing any more.
    while bob.call("counts")["pending_reverse_queries"]:
        pass
