"""Connecting by UNL: theirs to ours and ours to theirs, directly and by a reverse connect through the mailbox."""
import time

from cases import case, each
from ours import C, P2pError, WATCHDOG
from world import HTTP_PORT, NODE_PORT

CHOSEN = "0123456789abcdef" * 4
ZEROS = "0" * 64
INFO = C["P2P_LOG_INFO"]


def our_node(world, host, **options):
    """One of our nodes on a direct net."""
    return world.net(host, net_type=C["P2P_NET_DIRECT"], nat_type=C["P2P_NAT_PRESERVING"], log_level=INFO, **options)


def talk(ours, conn, theirs, con):
    """A line each way."""
    ours.send(conn, "hello")
    assert theirs.lines(con, 1) == ["hello"]
    theirs.send(con, "hello yourself")
    assert ours.lines(conn, 1) == [b"hello yourself"]


@case
def our_unl_is_read_by_them(world):
    """p2p_unl_get: the original reads what we are; and we read theirs, and refuse what is none."""
    ours = our_node(world, 3)
    theirs = world.original(2, servers=[world.server("ours")], net_type="direct")
    read = theirs.call("read_unl", unl=ours.unl())
    assert (read["wan_ip"], read["lan_ip"], read["listen_port"]) == (ours.ip, ours.ip, ours.port), read
    assert (read["node_type"], read["nat_type"], read["version"]) == ("passive", "preserving", 2), read
    same = theirs.call("make_unl", wan_ip=ours.ip, lan_ip=ours.ip, listen_port=NODE_PORT, node_type="passive",
                       nat_type="preserving", forwarding_type="manual")
    assert ours.unl() == same
    for bad in ("", "nonsense", same[:-2], same.replace("A", "B", 1)):
        try:
            ours.unl_connect(bad)
        except P2pError:
            continue
        raise AssertionError(f"{bad!r} was taken")


@each(nonce=["random", "chosen", "zeros"])
def we_connect_by_their_unl(world, nonce):
    """p2p_unl_connect to their passive node: they read our nonce, both call the connection the same, lines both ways."""
    theirs = world.original(2, servers=[world.server("ours")], net_type="direct")
    ours = our_node(world, 3)
    given = {"random": None, "chosen": CHOSEN, "zeros": ZEROS}[nonce]
    conn = ours.unl_connect_and_wait(theirs.ready["unl"], given)
    assert ours.via(conn) == ("DIRECT", False)
    opened = theirs.expect("opened", ip=ours.ip, how="accept")
    assert opened["nonce"] == given or given is None and opened["nonce"] not in (ZEROS, CHOSEN), opened
    assert ours.con_id(conn) == theirs.call("con_id", con=opened["con"])
    talk(ours, conn, theirs, opened["con"])


@each(nonce=["chosen", "zeros"])
def they_connect_by_our_unl(world, nonce):
    """unl.connect with what p2p_unl_get gives: the same connection for both."""
    theirs = world.original(2, servers=[world.server("ours")], net_type="direct")
    ours = our_node(world, 3)
    theirs.call("unl_connect", unl=ours.unl(), nonce=CHOSEN if nonce == "chosen" else ZEROS)
    con = theirs.expect("connected")["con"]
    conn = ours.expect("OPENED").conn
    assert ours.via(conn) == ("ACCEPT", True)
    assert ours.con_id(conn) == theirs.call("con_id", con=con)
    talk(ours, conn, theirs, con)


@each(first=["ours", "theirs"])
def both_call_at_once(world, first):
    """Both with one nonce and force_master=0: one connects, the other one's request is done with that connection."""
    theirs = world.original(2, servers=[world.server("ours")], net_type="direct")
    ours = our_node(world, 3)

    def call_theirs():
        theirs.call("unl_connect", unl=ours.unl(), nonce=CHOSEN, force_master=0)

    def call_ours():
        return ours.unl_connect(theirs.ready["unl"], CHOSEN, C["P2P_CLASSIC_NOT_MASTER"])

    if first == "theirs":
        call_theirs()
        request = call_ours()
    else:
        request = call_ours()
        call_theirs()
    done = ours.done(request)
    assert done.result == 0, (done, ours.explain(request))
    con = theirs.expect("connected")["con"]
    talk(ours, done.conn, theirs, con)
    assert ours.stats().opened == 1
    assert theirs.call("counts")["inbound"] + theirs.call("counts")["outbound"] == 1


@case
def a_peer_that_waits_is_found_by_its_address(world):
    """With zeros for a nonce a request that waits is done by any connection from that address, as in the original."""
    server = world.server("ours")
    theirs = world.original(2, servers=[server], net_type="direct", node_type="active")
    ours = our_node(world, 3)
    request = ours.unl_connect(theirs.ready["unl"], ZEROS)
    theirs.call("unl_connect", unl=ours.unl())
    done = ours.done(request)
    assert done.result == 0, done
    talk(ours, done.conn, theirs, theirs.expect("connected")["con"])


@case
def what_cannot_be_is_said(world):
    """Refused, both active, nobody who comes: DONE says why, once, and p2p_explain tells the story."""
    ours, hasty = our_node(world, 3), our_node(world, 5, unl_connect_timeout_ms=300)
    refused = ours.done(ours.unl_connect(ours.unl(listen_port=1, wan_ip=world.ip(9))))
    assert refused.result == C["P2P_ERR_REFUSED"], refused
    request = hasty.unl_connect(hasty.unl(node_type="active", wan_ip=world.ip(9)))
    waited = hasty.done(request)
    assert waited.result == C["P2P_ERR_TIMEOUT"] and b"did not connect" in waited.data, waited
    story = hasty.explain(request)
    assert story["attempts"] and story["notes"], story
    active = our_node(world, 4, node_type=C["P2P_NODE_ACTIVE"])
    both = active.done(active.unl_connect(ours.unl(node_type="active", wan_ip=world.ip(9))))
    assert both.result == C["P2P_ERR_NO_PATH"] and b"both are active" in both.data, both
    own = ours.done(ours.unl_connect(ours.unl()))
    assert own.result == C["P2P_ERR_SELF"], own


def mailbox(world):
    """Our server; and what both kinds of nodes need to use it and its mailbox."""
    ip, port = world.server("ours")
    return {"servers": [(ip, port)], "http": (ip, HTTP_PORT)}, f"http://{ip}:{HTTP_PORT}/dht_msg.php"


@case
def they_ask_us_to_connect(world):
    """Theirs is passive, ours cannot be reached: REVERSE_CONNECT, we connect with their nonce and ask, they answer."""
    servers, url = mailbox(world)
    ours = our_node(world, 3, node_type=C["P2P_NODE_ACTIVE"], mailbox=url)
    theirs = world.original(2, net_type="direct", dht="A" * 20, **servers)
    ours.wait_log("reachable by DHT messages")
    theirs.call("unl_connect", unl=ours.unl(), nonce=CHOSEN)
    con = theirs.expect("connected")["con"]
    conn = ours.expect("OPENED").conn
    assert ours.via(conn) == ("DIRECT", False)
    assert ours.con_id(conn) == theirs.call("con_id", con=con)
    talk(ours, conn, theirs, con)
    # The answer to our question; without it the connection would be closed after a minute.
    ours.wait_log("says it asked for the connection")


def node_with_unl(world, wanted, url):
    """A passive node of ours whose UNL has a "+", or has none: the original's fault."""
    for host in range(10, 60):
        ours = our_node(world, host, mailbox=url)
        if ("+" in ours.unl()) == (wanted == "plus"):
            ours.wait_log("reachable by DHT messages")
            return ours
        ours.stop()
    raise AssertionError("50 locators all alike")


@each(unl=["plain", "plus"])
def we_ask_them_to_connect(world, unl):
    """Ours is passive, theirs cannot be reached: they connect, ask, and take our answer, also if our UNL has a "+"."""
    servers, url = mailbox(world)
    ours = node_with_unl(world, unl, url)
    theirs = world.original(2, net_type="direct", node_type="active", dht="B" * 20, **servers)
    conn = ours.unl_connect_and_wait(theirs.ready["unl"])
    assert ours.via(conn) == ("REVERSE", True)
    con = theirs.expect("opened", ip=ours.ip)["con"]
    assert ours.con_id(conn) == theirs.call("con_id", con=con)
    talk(ours, conn, theirs, con)
    # They ask, and are content when they wait for nothing any more.
    ours.wait_log("asks whether we asked for its connection")
    end = time.monotonic() + WATCHDOG
    while theirs.call("counts")["pending_reverse_queries"]:
        assert time.monotonic() < end, "they did not understand our answer"


@case
def our_nodes_ask_each_other(world):
    """Ours to ours by a reverse connect through the mailbox."""
    _, url = mailbox(world)
    passive = our_node(world, 3, mailbox=url)
    active = our_node(world, 4, node_type=C["P2P_NODE_ACTIVE"], mailbox=url)
    active.wait_log("reachable by DHT messages")
    conn = passive.unl_connect_and_wait(active.unl())
    other = active.expect("OPENED").conn
    assert (passive.via(conn), active.via(other)) == (("REVERSE", True), ("DIRECT", False))
    assert passive.con_id(conn) == active.con_id(other) != ""
    active.wait_log("says it asked for the connection")
