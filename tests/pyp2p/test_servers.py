"""Bootstrap, advertise and clear: either kind of nodes, with either kind of server."""
import ours
from cases import case, each
from world import NODE_PORT

BOTH = ["original", "ours"]


def talk(ours, conn, theirs, con):
    """A line each way between one of our nodes and an original one."""
    ours.send(conn, "from ours")
    assert theirs.lines(con, 1) == ["from ours"]
    theirs.send(con, "from theirs")
    assert ours.lines(conn, 1) == [b"from theirs"]


def listed(*ips):
    return b"NODES " + b"".join(b"p:%s:%d " % (ip.encode(), NODE_PORT) for ip in ips)


@each(server=BOTH)
def our_nodes_find_each_other(world, server):
    """Alice advertises, Bob bootstraps, lines both ways; when Alice stops she is taken off the list."""
    server = world.server(server)
    alice, bob = world.net(2, servers=[server]), world.net(3, servers=[server])
    alice.advertise_and_wait()
    assert world.listing(server) == listed(alice.ip)
    done = bob.done(bob.bootstrap())
    assert (done.result, done.code) == (0, 1), done
    opened = bob.expect("OPENED")
    assert opened.peer == f"{alice.ip}:{NODE_PORT}"
    at_alice = alice.expect("OPENED").conn
    bob.send(opened.conn, "hello")
    assert alice.lines(at_alice, 1) == [b"hello"]
    alice.send(at_alice, "hello yourself")
    assert bob.lines(opened.conn, 1) == [b"hello yourself"]
    alice.stop()
    assert world.listing(server) == b"NODES EMPTY"
    assert bob.expect("CLOSED", conn=opened.conn).result == -3


@each(server=BOTH)
def our_secure_nodes_find_each_other(world, server):
    """Nodes of the secure dialect say first of which network they are. Ours names them to their own network only; the original
    server meets that with silence, and names all to all."""
    kind, server = server, world.server(server)
    options = {"servers": [server], "dialect": ours.C["P2P_DIALECT_SECURE"]}
    alice, bob = world.net(2, **options), world.net(3, **options)
    alice.advertise_and_wait()
    assert world.listing(server) == (listed(alice.ip) if kind == "original" else b"NODES EMPTY")
    done = bob.done(bob.bootstrap())
    assert (done.result, done.code) == (0, 1), done
    opened = bob.expect("OPENED")
    assert opened.peer == f"{alice.ip}:{NODE_PORT}"
    at_alice = alice.expect("OPENED").conn
    bob.send(opened.conn, "hello")
    assert alice.lines(at_alice, 1) == [b"hello"]


@each(server=BOTH)
def bootstrap_finds_nobody(world, server):
    """A server without nodes, and one that has only the asker itself."""
    server = world.server(server)
    net = world.net(2, servers=[server])
    done = net.done(net.bootstrap())
    assert (done.result, done.code) == (0, 0), done
    net.advertise_and_wait()
    done = net.done(net.bootstrap())
    assert (done.result, done.code) == (0, 0), done


@each(server=BOTH)
def our_node_is_listed_again(world, server):
    """A server that forgot us learns of us again after the advertise interval."""
    server = world.server(server)
    net = world.net(2, servers=[server], advertise_interval_ms=300)
    net.advertise_and_wait()
    # Anybody at our address can have us taken off.
    raw = world.raw(2, server)
    while True:  # it is back soon, perhaps before anybody has looked
        assert raw.ask(b"CLEAR\r\nSOURCE TCP") == b"REMOTE TCP %d" % raw.port
        if world.listing(server) == b"NODES EMPTY":
            break
    world.wait_listing(server, listed(net.ip))


@each(server=BOTH)
def our_full_node_leaves_the_list(world, server):
    """A node that can take no more says CLEAR, and is listed again when it has room."""
    server = world.server(server)
    net = world.net(2, servers=[server], max_inbound=1, retry_interval_ms=100)
    net.advertise_and_wait()
    assert world.listing(server) == listed(net.ip)
    peer = world.raw(3, (net.ip, net.port))
    world.wait_listing(server, b"NODES EMPTY")
    peer.close()
    world.wait_listing(server, listed(net.ip))


@each(server=BOTH)
def their_nodes_find_each_other(world, server):
    """The original's own bootstrap, through our server as through theirs."""
    server = world.server(server)
    alice, bob = world.originals(2, 3, servers=[server])
    alice.call("advertise")
    world.wait_listing(server, listed(alice.ip))
    assert bob.call("bootstrap") == [alice.ip]
    assert bob.wire[-2:] == [("said", "BOOTSTRAP 20"), ("heard", listed(alice.ip).decode())]
    at_bob, at_alice = bob.expect("opened")["con"], alice.expect("opened")["con"]
    bob.send(at_bob, "test")
    assert alice.lines(at_alice, 1) == ["test"]
    alice.send(at_alice, "tset")
    assert bob.lines(at_bob, 1) == ["tset"]
    alice.call("stop")
    world.wait_listing(server, b"NODES EMPTY")


@each(server=BOTH)
def our_node_finds_theirs(world, server):
    """Their Alice, our Bob."""
    server = world.server(server)
    alice, bob = world.original(2, servers=[server]), world.net(3, servers=[server])
    alice.call("advertise")
    world.wait_listing(server, listed(alice.ip))
    done = bob.done(bob.bootstrap())
    assert (done.result, done.code) == (0, 1), done
    talk(bob, bob.expect("OPENED").conn, alice, alice.expect("opened", ip=bob.ip, how="accept")["con"])


@each(server=BOTH)
def their_node_finds_ours(world, server):
    """Our Alice, their Bob."""
    server = world.server(server)
    alice, bob = world.net(2, servers=[server]), world.original(3, servers=[server])
    alice.advertise_and_wait()
    assert bob.call("bootstrap") == [alice.ip]
    talk(alice, alice.expect("OPENED").conn, bob, bob.expect("opened", ip=alice.ip, how="passive")["con"])


@each(server=BOTH)
def a_mesh_of_both(world, server):
    """Two of each kind, all advertised: everybody ends up connected to everybody, once."""
    server = world.server(server)
    theirs = world.originals(2, 3, servers=[server])
    nets = [world.net(host, servers=[server]) for host in (4, 5)]
    for node in theirs:
        node.call("advertise")
    for net in nets:
        net.advertise_and_wait()
    for net in nets:
        done = net.done(net.bootstrap())
        assert (done.result, done.code) == (0, 3), done
        # The next one would else connect to it from the other side at the same time, and as either end keeps the
        # connection it sees first, both might be closed.
        net.wait_opened(3)
    to_nets = {node: {net: node.expect("opened", ip=net.ip)["con"] for net in nets} for node in theirs}
    theirs[0].call("bootstrap")
    theirs[0].expect("opened", ip=theirs[1].ip)
    theirs[1].expect("opened", ip=theirs[0].ip)
    theirs[1].call("bootstrap")
    for net in nets:
        assert net.broadcast(f"from {net.ip}") == 3
    for node in theirs:
        assert node.call("counts")["inbound"] + node.call("counts")["outbound"] == 3
        for net in nets:
            assert node.lines(to_nets[node][net], 1) == [f"from {net.ip}"]


@case
def their_nat_test(world):
    """determine_nat: five SOURCE TCP probes from random ports to our server."""
    server = world.server("ours")
    node = world.original(2, servers=[server], nat_type="unknown", bind_source=False)
    assert node.ready["nat_type"] == "preserving", node.ready
    ports = [line.rsplit(" ", 1)[1] for who, line in node.wire if who == "said" and line.startswith("SOURCE TCP ")]
    answers = [line for who, line in node.wire if who == "heard"]
    assert len(ports) == 5 and answers == [f"REMOTE TCP {port}" for port in ports], node.wire
