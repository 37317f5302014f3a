"""Duplicate suppression: the original's disable_duplicates() and our P2P_OPT_DEDUP."""
from cases import case

LINES = ["a", "b", "a", "c", "b", "a", "d"]


@case
def repeated_lines_once(world):
    """Both see each line once. The original puts an empty one in a repeated line's place, we nothing."""
    theirs = world.original(2, servers=[world.server("ours")], drop_duplicates=True)
    ours = world.net(3, dedup=1)
    # The original looks only at connections it made itself.
    con = theirs.call("add", ip=ours.ip, port=ours.port)
    conn = ours.expect("OPENED").conn
    theirs.send(con, *LINES)
    assert ours.lines(conn, 4) == [b"a", b"b", b"c", b"d"]
    assert ours.stats().duplicates == 3
    # Ours counts a line as seen however it came, theirs only those it received.
    for line in LINES:
        ours.send(conn, line)
    assert theirs.lines(con, len(LINES)) == ["a", "b", "", "c", "", "", "d"]
    theirs.send(con, "e")
    assert ours.lines(conn, 1) == [b"e"]
    assert not ours.events, ours.events


@case
def one_line_over_two_paths(world):
    """Two original nodes pass the same line on: our node delivers it once, and not when its own comes back."""
    theirs = world.originals(2, 3, servers=[world.server("ours")])
    ours = world.net(4, dedup=1)
    conns = [ours.connect_and_wait(node.ip, node.port) for node in theirs]
    cons = [node.expect("opened", ip=ours.ip)["con"] for node in theirs]
    for node in theirs:
        node.call("broadcast", text="news")
        node.call("broadcast", text=f"from {node.ip}")
    for node, conn in zip(theirs, conns):
        got = [line for line in ours_lines(ours, conn, f"from {node.ip}") if line == b"news"]
        node.news = len(got)
    assert sum(node.news for node in theirs) == 1
    assert ours.broadcast("ours") == 2
    for node, con in zip(theirs, cons):
        assert node.lines(con, 1) == ["ours"]
        node.send(con, "ours", "end " + node.ip)
    for node, conn in zip(theirs, conns):
        assert ours.lines(conn, 1) == [b"end " + node.ip.encode()]
    assert ours.stats().duplicates == 3


def ours_lines(net, conn, last):
    """The lines of a connection up to one."""
    got = []
    while got[-1:] != [last.encode()]:
        got += net.lines(conn, 1)
    return got
