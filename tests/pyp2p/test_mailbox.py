"""Messages between our nodes and the original's, through the mailbox of our server."""
from cases import case
from test_http import http_server
from world import HTTP_PORT


def both_ways(world, path):
    """Ours and an original send each other messages; ours asks the server at `path` of it."""
    servers = http_server(world)
    ours = world.net(3, mailbox=f"{path[0]}{world.ip(1)}:{HTTP_PORT}{path[1]}")
    # It takes its id as characters.
    name = ours.dht_id().decode("ascii")
    alice = world.original(2, dht="A" * 20, **servers)
    # What we put behind a message to know it again is not seen by the original.
    for text in ["hello", "gr\u00fc\u00df \U0001f980", "REVERSE_QUERY:x", "x" * 5000]:
        ours.dht_put(b"A" * 20, text)
        assert alice.expect("message")["value"] == text
    # It evaluates texts that look like Python; we deliver them as they are.
    ours.dht_put(b"A" * 20, "[1, 2]")
    assert alice.expect("message")["value"] == [1, 2]
    for text in ["hello", "gr\u00fc\u00df \U0001f980", "[1, 2]", "x" * 5000]:
        alice.call("message", node_id=name, value=text)
        assert ours.expect("DHT_MESSAGE").data.decode("utf-8") == text
    # Values that are no texts have no place in an event.
    alice.call("message", node_id=name, value={"status": "SYN"})
    alice.call("message", node_id=name, value="last")
    assert ours.expect("DHT_MESSAGE").data == b"last"
    assert name in [node for _, _, node in alice.call("neighbours")]


@case
def messages_with_ours_by_the_script(world):
    """Our node and an original exchange messages, both by the words of PyP2P's script."""
    both_ways(world, ("http://", "/dht_msg.php"))


@case
def messages_with_ours_by_our_paths(world):
    """The same with our node using the server's own paths, where messages are acknowledged."""
    both_ways(world, ("", ""))
