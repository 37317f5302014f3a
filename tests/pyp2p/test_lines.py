"""Lines between one of our nodes and an original one, on a p2p net, whoever has connected to whom."""
from cases import case, each
from ours import C, P2pError
from world import NODE_PORT

OPENERS = ["ours", "theirs"]


def pair(world, opener="ours", **options):
    """Our node and its connection, their node and its connection."""
    # The original does not start without a rendezvous server.
    theirs = world.original(2, servers=[world.server("ours")])
    ours = world.net(3, **options)
    if opener == "ours":
        conn = ours.connect_and_wait(theirs.ip, theirs.port)
        con = theirs.expect("opened", ip=ours.ip, how="accept")["con"]
    else:
        con = theirs.call("add", ip=ours.ip, port=ours.port)
        conn = ours.expect("OPENED").conn
    return ours, conn, theirs, con


@each(opener=OPENERS)
def texts(world, opener):
    """UTF-8 of every length, spaces, control characters, a lone CR or LF anywhere: unchanged both ways."""
    ours, conn, theirs, con = pair(world, opener)
    lines = ["x", " two  spaces ", "tab\tand\x00nul", "a\rb", "a\nb", "\r", "\n", "\n\r", "x\r", "\rx", "x\n", "\nx",
             "\r\r", "\x7f", "NODES EMPTY", "0" * 64]
    beyond_ascii = ["gr\u00fc\u00df dich", "\u4f60\u597d", "\U0001f980\U0001f40d", "\ufeff", "\x80"]
    theirs.send(con, *lines, *beyond_ascii)
    assert ours.lines(conn, len(lines + beyond_ascii)) == [line.encode() for line in lines + beyond_ascii]
    if opener == "ours":
        # The other way see they_cannot_read.
        lines += beyond_ascii
    for line in lines:
        ours.send(conn, line)
    assert theirs.lines(con, len(lines)) == lines


@each(opener=OPENERS)
def long_lines(world, opener):
    """4094 bytes are the most an original can send; it takes 60,000 from us."""
    ours, conn, theirs, con = pair(world, opener)
    theirs.send(con, "y" * 4094, "z")
    assert ours.lines(conn, 2) == [b"y" * 4094, b"z"]
    lines = ["a" * 4094, "b" * 4095, "c" * 4096, "d" * 60000, "e"]
    for line in lines:
        ours.send(conn, line)
    assert theirs.lines(con, len(lines)) == lines


@case
def their_line_that_is_too_long(world):
    """4095 bytes: the original sends the first 4096 of 4097 and closes; we get what came before, and no half line."""
    ours, conn, theirs, con = pair(world)
    theirs.send(con, "before")
    assert theirs.call("send", con=con, lines=["y" * 4095]) == [0]
    assert ours.lines(conn, 1) == [b"before"]
    assert ours.expect("CLOSED", conn=conn).result == C["P2P_ERR_CLOSED"]
    assert not ours.events, ours.events


@each(opener=OPENERS)
def empty_lines(world, opener):
    """Neither delivers one; we refuse to send one."""
    ours, conn, theirs, con = pair(world, opener)
    theirs.call("send_raw", con=con, data_hex=b"\r\n\r\nx\r\n\r\ny\r\n".hex())
    assert ours.lines(conn, 2) == [b"x", b"y"]
    try:
        ours.send(conn, "")
        raise AssertionError("an empty line was taken")
    except P2pError:
        pass
    raw = world.raw(9, (theirs.ip, theirs.port))
    raw.send(b"\r\n\r\nx\r\n\r\ny\r\n")
    assert theirs.lines(theirs.expect("opened", ip=world.ip(9))["con"], 2) == ["x", "y"]


@each(opener=OPENERS)
def ten_thousand_lines_at_once(world, opener):
    """Both send 10,000 lines at the same time; all arrive, in order."""
    count = 10_000
    ours, conn, theirs, con = pair(world, opener)
    theirs.call("flood", con=con, prefix="their line ", count=count)
    for i in range(count):
        ours.send(conn, f"our line {i}")
    assert ours.lines(conn, count) == [b"their line %d" % i for i in range(count)]
    assert theirs.expect("flooded", con=con)["sent"] == count
    assert theirs.lines(con, count) == [f"our line {i}" for i in range(count)]


@case
def bytes_that_are_no_text(world):
    """We deliver any bytes."""
    ours, conn, theirs, con = pair(world)
    odd = [b"\xff\xfe", b"caf\xe9", b"\xc3(", b"\xed\xa0\x80"]
    theirs.call("send", con=con, hex_lines=[line.hex() for line in odd])
    assert ours.lines(conn, len(odd)) == odd


@each(opener=OPENERS)
def they_cannot_read(world, opener):
    """The original's reading fails on what is not UTF-8, and on connections it made on all beyond ASCII."""
    ours, conn, theirs, con = pair(world, opener)
    ours.send(conn, "good")
    assert theirs.lines(con, 1) == ["good"]
    line, trouble = (b"caf\xe9", "UnicodeDecodeError") if opener == "ours" else ("caf\u00e9", "UnicodeEncodeError")
    ours.send(conn, line)
    assert trouble in theirs.expect("trouble", con=con)["what"]


@each(opener=OPENERS)
def they_close(world, opener):
    """Every line they sent before arrives, then CLOSED."""
    ours, conn, theirs, con = pair(world, opener)
    theirs.send(con, *(f"line {i}" for i in range(2000)))
    theirs.call("close", con=con)
    assert ours.lines(conn, 2000) == [b"line %d" % i for i in range(2000)]
    assert ours.expect("CLOSED", conn=conn).result == C["P2P_ERR_CLOSED"]
    assert not ours.events, ours.events
    theirs.expect("gone", con=con)


@each(opener=OPENERS)
def we_close(world, opener):
    """Every line we queued arrives, then their connection ends."""
    ours, conn, theirs, con = pair(world, opener)
    for i in range(5000):
        ours.send(conn, f"line {i}")
    ours.close(conn)
    assert theirs.lines(con, 5000) == [f"line {i}" for i in range(5000)]
    theirs.expect("gone", con=con)
    assert ours.expect("CLOSED", conn=conn).result == 0


@each(opener=OPENERS)
def we_stop(world, opener):
    """Stopping the net sends what is queued, too."""
    ours, conn, theirs, con = pair(world, opener)
    for i in range(5000):
        ours.send(conn, f"line {i}")
    ours.stop()
    assert theirs.lines(con, 5000) == [f"line {i}" for i in range(5000)]
    theirs.expect("gone", con=con)


@each(opener=OPENERS)
def they_stop(world, opener):
    """Their whole node stops."""
    ours, conn, theirs, con = pair(world, opener)
    theirs.send(con, "goodbye")
    theirs.call("stop")
    assert ours.lines(conn, 1) == [b"goodbye"]
    ours.expect("CLOSED", conn=conn)


@each(opener=OPENERS)
def they_vanish(world, opener):
    """Their process is killed: the system ends its connections, and we are told."""
    ours, conn, theirs, con = pair(world, opener)
    theirs.send(con, "last words")
    theirs.process.kill()
    assert ours.lines(conn, 1) == [b"last words"]
    ours.expect("CLOSED", conn=conn)


@each(opener=OPENERS)
def one_connection_per_address(world, opener):
    """A second connection from an address that is connected, either way, is closed at once by both."""
    ours, conn, theirs, con = pair(world, opener)
    for second in (world.raw(3, (theirs.ip, theirs.port)), world.raw(2, (ours.ip, ours.port))):
        assert second.line() is None
    ours.send(conn, "still here")
    assert theirs.lines(con, 1) == ["still here"]
    theirs.send(con, "so am I")
    assert ours.lines(conn, 1) == [b"so am I"]
    assert ours.stats().rejected == 1
    # Nor do they make one.
    assert theirs.call("add", ip=ours.ip, port=NODE_PORT) == con
    assert ours.done(ours.connect(theirs.ip, theirs.port)).result == C["P2P_ERR_DUPLICATE"]


@each(opener=OPENERS)
def connected_again(world, opener):
    """After the end of a connection the same two may have another."""
    ours, conn, theirs, con = pair(world, opener)
    ours.close(conn)
    theirs.expect("gone", con=con)
    ours.expect("CLOSED", conn=conn)
    again = ours.connect_and_wait(theirs.ip, theirs.port)
    con = theirs.expect("opened", ip=ours.ip, how="accept")["con"]
    theirs.send(con, "again")
    assert ours.lines(again, 1) == [b"again"]


@case
def full_nodes_let_others_wait(world):
    """Who comes when all places are taken waits in the backlog, and is served when there is room: both do it."""
    theirs = world.original(2, servers=[world.server("ours")], max_inbound=1)
    ours = world.net(3, max_inbound=1)
    first = [world.raw(8, (node.ip, node.port)) for node in (theirs, ours)]
    con, conn = theirs.expect("opened", ip=world.ip(8))["con"], ours.expect("OPENED").conn
    second = [world.raw(9, (node.ip, node.port)) for node in (theirs, ours)]
    for raw in first:
        raw.send(b"first\r\n")
    for raw in second:
        raw.send(b"second\r\n")
    assert theirs.lines(con, 1) == ["first"] and ours.lines(conn, 1) == [b"first"]
    assert theirs.call("counts")["inbound"] == 1 and ours.stats().opened == 1
    for raw in first:
        raw.close()
    assert theirs.lines(theirs.expect("opened", ip=world.ip(9))["con"], 1) == ["second"]
    assert ours.lines(ours.expect("OPENED").conn, 1) == [b"second"]


@case
def crossing_connections(world):
    """Both connect at the same time: each refuses the other's as a second one, so none is left. We try again soon."""
    server = world.server("ours")
    theirs = world.original(2, servers=[server])
    theirs.call("advertise")
    world.wait_listing(server, b"NODES p:%s:%d " % (theirs.ip.encode(), theirs.port))
    ours = world.net(3, servers=[server], retry_interval_ms=200)
    theirs.begin("cross", ip=ours.ip, port=ours.port)
    ours.bootstrap()
    lost = ours.expect("OPENED").conn
    theirs.finish("cross")
    ours.expect("CLOSED", conn=lost)
    assert ours.stats().rejected == 1
    again = ours.expect("OPENED").conn
    ours.send(again, "once more")
    while "once more" not in [line for lines in theirs.received.values() for line in lines]:
        theirs.call("counts")
