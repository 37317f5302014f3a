"""Direct nets: the nonce, several connections per address, and the arranging of hole punches."""
from cases import case, each
from ours import C
from world import NODE_PORT

NO_NONCE = "0" * 64


def direct(world, **options):
    """Our node and theirs, not connected."""
    theirs = world.original(2, servers=[world.server("ours")], net_type="direct")
    return world.net(3, net_type=C["P2P_NET_DIRECT"], **options), theirs


def unl_of(theirs, node):
    """A locator of our node, as an original would have made it."""
    return theirs.call("make_unl", wan_ip=node.ip, lan_ip=node.ip, listen_port=NODE_PORT, node_type="passive",
                       nat_type="preserving", forwarding_type="manual")


@case
def our_direct_connect(world):
    """p2p_connect to their direct node: they read 64 zeros for the nonce, then lines go both ways."""
    ours, theirs = direct(world)
    for i in range(3):
        # A direct net takes any number from one address.
        conn = ours.connect_and_wait(theirs.ip, theirs.port)
        opened = theirs.expect("opened", ip=ours.ip, how="accept")
        assert opened["nonce"] == NO_NONCE, opened
        ours.send(conn, f"hello {i}")
        assert theirs.lines(opened["con"], 1) == [f"hello {i}"]
        theirs.send(opened["con"], f"hello yourself {i}")
        assert ours.lines(conn, 1) == [b"hello yourself %d" % i]
    assert theirs.call("counts")["inbound"] == 3


@each(nonce=["zeros", "chosen"])
def their_unl_connect(world, nonce):
    """unl.connect to our direct node: we take the nonce off, then lines go both ways."""
    ours, theirs = direct(world)
    nonce = NO_NONCE if nonce == "zeros" else "0123456789abcdef" * 4
    theirs.call("unl_connect", unl=unl_of(theirs, ours), nonce=nonce)
    con = theirs.expect("connected")["con"]
    conn = ours.expect("OPENED").conn
    theirs.send(con, "hello")
    assert ours.lines(conn, 1) == [b"hello"]
    ours.send(conn, "hello yourself")
    assert theirs.lines(con, 1) == ["hello yourself"]


@case
def their_add_node(world):
    """add_node sends no nonce though the other end reads one: 64 bytes are lost each way, then lines arrive."""
    ours, theirs = direct(world)
    con = theirs.call("add", ip=ours.ip, port=ours.port)
    lost = "this and its end are sixty-four bytes".ljust(62, ".")
    theirs.send(con, lost, "first", "second")
    conn = ours.expect("OPENED").conn
    assert ours.lines(conn, 2) == [b"first", b"second"]
    ours.send(conn, lost)
    ours.send(conn, "third")
    assert theirs.expect("opened", con=con)["nonce"] == lost + "\r\n"
    assert theirs.lines(con, 1) == ["third"]


@case
def any_64_bytes_are_a_nonce(world):
    """In pieces, with line ends inside, together with the first lines: both take exactly 64 bytes."""
    ours, theirs = direct(world)
    nonce = b"not hexadecimal\r\n\r\n".ljust(63, b"-") + b"\r"
    for chunks in ([nonce + b"one\r\ntwo\r\n"], [nonce[:1], nonce[1:63], nonce[63:] + b"one\r", b"\ntwo\r\n"]):
        raws = [world.raw(9, (node.ip, node.port)) for node in (theirs, ours)]
        for chunk in chunks:
            for raw in raws:
                raw.send(chunk)
            # A turn of the original, so that it reads pieces.
            theirs.call("counts")
            theirs.call("counts")
        opened = theirs.expect("opened", ip=world.ip(9))
        assert opened["nonce"].encode() == nonce, opened
        assert theirs.lines(opened["con"], 2) == ["one", "two"]
        assert ours.lines(ours.expect("OPENED").conn, 2) == [b"one", b"two"]


@each(server=["original", "ours"])
def their_nodes_arrange_a_punch(world, server):
    """Bob registers as simultaneous, Alice challenges: CANDIDATE, CHALLENGE, ACCEPT, FIGHT pass through the server."""
    server = world.server(server)
    settings = {"servers": [server], "net_type": "direct", "node_type": "simultaneous", "bind_source": False,
                "bind_punches": True, "fight_delay": 1}
    alice, bob = world.originals(2, 3, **settings)
    bob.call("advertise")
    bob.wait_wire("said", "SIMULTANEOUS READY 0 0")
    assert world.listing(server) == b"NODES EMPTY"
    # Whether the punch itself lands is not decided by the server.
    alice.call("add", ip=bob.ip, port=0, kind="simultaneous")
    bob.call("counts")
    (candidate,) = [line for who, line in alice.wire if who == "said" and line.startswith("CANDIDATE")]
    verb, ip, proto, predictions = candidate.split(" ", 3)
    assert (verb, ip, proto, len(predictions.split())) == ("CANDIDATE", bob.ip, "TCP", 4)
    assert ("heard", "PREDICTION SET") in alice.wire
    assert ("heard", f"CHALLENGE {alice.ip} {predictions} TCP") in bob.wire, bob.wire
    accept = [line for who, line in bob.wire if who == "said" and line.startswith(f"ACCEPT {alice.ip} ")][0]
    assert ("heard", f"FIGHT {bob.ip} " + accept.split(" ", 2)[2]) in alice.wire, (accept, alice.wire)


@case
def a_nonce_that_never_comes(world):
    """An original waits for a nonce for ever; we give up after handshake_timeout_ms."""
    ours, theirs = direct(world, handshake_timeout_ms=300)
    con = theirs.call("add", ip=ours.ip, port=ours.port)
    silent = world.raw(9, (theirs.ip, theirs.port))
    while theirs.call("counts")["outbound"]:
        pass
    assert theirs.call("send", con=con, lines=["too late"]) == [0]
    assert theirs.call("counts")["inbound"] == 1
    silent.send(NO_NONCE.encode() + b"at last\r\n")
    assert theirs.lines(theirs.expect("opened", ip=world.ip(9))["con"], 1) == ["at last"]
    assert not ours.events, ours.events
