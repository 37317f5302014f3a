"""Punching between two homes behind NATs, through either rendezvous server: our nodes with theirs.

Each test has network namespaces of its own (`natnet`). Our node is a process of its own, too: `our_node.py`.
"""
import natnet
from cases import case, each
from ours import C
from world import Ours

CHOSEN = "fedcba9876543210" * 4
NAMESPACES = True
SERVERS = ["original", "ours"]


def both(world, server):
    """Theirs in home a, ours in home b, both registered as simultaneous."""
    natnet.build()
    at = world.server(server, ip=natnet.SERVER, inside=natnet.inside("s"))
    theirs = world.start_original(2, ip=natnet.lan("a"), wan_ip=natnet.wan("a"), servers=[at], net_type="direct",
                                  node_type="simultaneous", bind_source=False, inside=natnet.inside("a"))
    ours = Ours(natnet.inside("b"), world, ip=natnet.lan("b"), servers=[list(at)], wan_ip=natnet.wan("b"),
                net_type=C["P2P_NET_DIRECT"], node_type=C["P2P_NODE_SIMULTANEOUS"], nat_type=C["P2P_NAT_PRESERVING"],
                log_level=C["P2P_LOG_INFO"])
    theirs.ready = theirs.expect("ready")
    theirs.call("advertise")
    theirs.wait_wire("said", "SIMULTANEOUS READY 0 0")
    return theirs, ours


@each(server=SERVERS)
def they_punch_to_us(world, server):
    """unl.connect with our UNL: CHALLENGE comes by our channel, we accept, they send the nonce, lines go both ways."""
    theirs, ours = both(world, server)
    ours.call("wait_log", text="registered at")
    con = None
    # The original keeps any of the connections it gets, and may close the one it has sent the nonce on.
    for _ in range(3):
        theirs.call("unl_connect", unl=ours.call("unl"), nonce=CHOSEN)
        outcome = theirs.expect_any("connected", "failed")
        if outcome["event"] == "connected":
            con = outcome["con"]
            break
    assert con is not None, "no punch has succeeded"
    conn = ours.call("opened")
    assert ours.call("via", conn=conn) == ["PUNCH", True]
    assert ours.call("con_id", conn=conn) == theirs.call("con_id", con=con)
    ours.call("send", conn=conn, line="hello")
    assert theirs.lines(con, 1) == ["hello"]
    theirs.send(con, "hello yourself")
    assert ours.call("line", conn=conn) == "hello yourself"


@each(server=SERVERS)
def we_punch_to_them(world, server):
    """p2p_unl_connect with their UNL: CANDIDATE, FIGHT, and we send the nonce on what they have kept."""
    theirs, ours = both(world, server)
    conn = ours.call("unl_connect_and_wait", unl=theirs.ready["unl"], nonce=CHOSEN, timeout=50)
    assert ours.call("via", conn=conn) == ["PUNCH", False]
    con = theirs.expect("opened", how="simultaneous")["con"]
    assert ours.call("con_id", conn=conn) == theirs.call("con_id", con=con)
    ours.call("send", conn=conn, line="hello")
    assert theirs.lines(con, 1) == ["hello"]
    theirs.send(con, "hello yourself")
    assert ours.call("line", conn=conn) == "hello yourself"


@case
def our_nodes_punch_through_their_server(world):
    """Ours to ours through the original server, which knows none of our verbs."""
    natnet.build()
    at = world.server("original", ip=natnet.SERVER, inside=natnet.inside("s"))
    nodes = [Ours(natnet.inside(home), world, ip=natnet.lan(home), servers=[list(at)], wan_ip=natnet.wan(home),
                  net_type=C["P2P_NET_DIRECT"], node_type=C["P2P_NODE_SIMULTANEOUS"], nat_type=C["P2P_NAT_PRESERVING"],
                  log_level=C["P2P_LOG_INFO"]) for home in "ab"]
    nodes[1].call("wait_log", text="registered at")
    conn = nodes[0].call("unl_connect_and_wait", unl=nodes[1].call("unl"), timeout=50)
    other = nodes[1].call("opened")
    assert nodes[0].call("con_id", conn=conn) == nodes[1].call("con_id", conn=other)
    nodes[0].call("send", conn=conn, line="hello")
    assert nodes[1].call("line", conn=other) == "hello"
