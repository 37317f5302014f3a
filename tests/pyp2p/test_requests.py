"""The same requests, well and badly formed, to the original server and to ours: the answers have to be the same bytes.

A step is one request (or one connection opened or closed). After it, every open connection asks SOURCE TCP, whose
answer shows the end of what the step caused there; so silence is seen without waiting.
"""
import difflib
import re
import time

from cases import case

NODE, PEER, OTHER = 20, 21, 22


class Session:
    """A script's connections to one server, and the transcript."""

    def __init__(self, world, server):
        self.world, self.server = world, server
        self.raws, self.transcript = {}, []

    def open(self, name, host):
        self.raws[name] = self.world.raw(host, self.server)
        self._collect(f"{name} connects from {host}")

    def close(self, name):
        # Not before the server has seen it, which its own end of the connection tells.
        raw = self.raws.pop(name)
        raw.socket.shutdown(1)
        assert raw.line() is None
        raw.close()
        self._collect(f"{name} closes")

    def say(self, name, *lines):
        for line in lines:
            self.send(name, line + b"\r\n")

    def send(self, name, data):
        shown = data if len(data) < 200 else data[:40] + b"... %d bytes" % len(data)
        self._collect(f"{name} sends {shown!r}", data)

    def _collect(self, step, data=b""):
        self.transcript.append(step)
        # The one that acted comes first: its answer shows that the server has done with the step.
        actor = step.split(" ", 1)[0]
        for name in sorted(self.raws, key=lambda n: (n != actor, n)):
            got = list(self._answers(self.raws[name], data if name == actor else b""))
            self.transcript += [f"    {name} gets {line}" for line in got]
            if got[-1:] == ["END"]:
                self.raws.pop(name).close()

    @staticmethod
    def _answers(raw, data):
        try:
            raw.send(data + b"SOURCE TCP mark\r\n")
        except OSError:
            yield "END"
            return
        answer, held = b"REMOTE TCP %d" % raw.port, []
        while True:
            line = raw.line()
            if line is None:
                yield from held
                yield "END"
                return
            # The last REMOTE TCP belongs to the mark. Nothing can come behind it, as nobody else acts meanwhile.
            if line == answer:
                if not raw.buffer:
                    break
                held.append("'REMOTE TCP <its port>'")
            else:
                held.append(normal(line))
        yield from held


def normal(line):
    """The line as text; nodes in order, as servers name them in random order."""
    text = line.decode("latin-1")
    if text.startswith("NODES p:"):
        nodes = re.findall(r"p:\S+ ", text)
        assert text == "NODES " + "".join(nodes), f"not the form of NODES: {text!r}"
        text = "NODES " + "".join(sorted(nodes))
    return repr(text)


def compare(world, script):
    """Runs the script with both servers and compares."""
    transcripts = []
    for kind, host in (("original", 1), ("ours", 2)):
        session = Session(world, world.server(kind, host))
        script(session)
        transcripts.append(session.transcript)
    different = [line for line in difflib.unified_diff(*transcripts, "original", "ours", lineterm="", n=3)]
    assert not different, "the servers answer differently:\n" + "\n".join(different)
    return transcripts[0]


@case
def same_answers_bootstrap(world):
    """BOOTSTRAP with good and bad numbers, without and with nodes."""
    def script(s):
        s.open("a", PEER)
        numbers = [b"1", b"20", b"100", b"101", b"0", b"007", b"abc", b"-1", b"+1", b"1x", b"1 2", b"1.5", b"",
                   b"4294967297", b"9" * 40, b"1 ", b" 1", b"1\n", b"1\r", b"1\t", "\u0661".encode(), b"1 \xff"]
        s.say("a", *(b"BOOTSTRAP " + n for n in numbers))
        s.say("a", b"BOOTSTRAP", b"BOOTSTRAPX 1", b"bootstrap 1", b" BOOTSTRAP 1", b"XBOOTSTRAP 1", b"BOOTSTRAP\t1")
        s.open("n", NODE)
        s.say("n", b"PASSIVE READY 24444 10", b"BOOTSTRAP 5")
        s.open("o", OTHER)
        s.say("o", b"PASSIVE READY 1 0")
        s.say("a", b"BOOTSTRAP 2", b"BOOTSTRAP 100")
        s.say("n", b"BOOTSTRAP 100")
        s.close("n")
        s.say("a", b"BOOTSTRAP 100")
    transcript = compare(world, script)
    both = f"'NODES p:{world.ip(NODE)}:24444 p:{world.ip(OTHER)}:1 '"
    assert transcript.count(f"    a gets {both}") == 3, transcript


@case
def same_answers_ready_and_clear(world):
    """What makes a node listed, and what takes it off."""
    def script(s):
        s.open("n", NODE)
        s.open("a", PEER)
        ready = [b"PASSIVE READY 24444 10", b"PASSIVE READY 65535 0", b"PASSIVE READY 1 99999999999",
                 b"PASSIVE READY 1", b"PASSIVE READY", b"PASSIVE READY 1 ", b"PASSIVE READY 1 2 ",
                 b"PASSIVE READY 1 2 3", b"PASSIVE READY  1 2", b"PASSIVE READY x 2", b"PASSIVE READY -1 2",
                 b"passive ready 1 2", b" PASSIVE READY 1 2", b"PASSIVE READY 1 2\r", b"ACTIVE READY 1 2",
                 b"SIMULTANEOUS READY 5 5", b"SIMULTANEOUS READY 0", b"PASSIVE READY 1 \xff2"]
        for line in ready:
            s.say("n", line)
            s.say("a", b"BOOTSTRAP 9")
            s.say("n", b"CLEAR")
            s.say("a", b"BOOTSTRAP 9")
        for line in [b"CLEAR x", b"CLEARANCE", b"clear", b" CLEAR", b"CLEAR\r", b"CLEAR \xff"]:
            s.say("n", b"PASSIVE READY 24444 10", line)
            s.say("a", b"BOOTSTRAP 9")
        s.say("n", b"PASSIVE READY 1 1", b"PASSIVE READY 2 2")
        s.say("a", b"BOOTSTRAP 9", b"CLEAR", b"BOOTSTRAP 9")
        # Another connection of the same address speaks for it.
        s.open("m", NODE)
        s.say("m", b"CLEAR")
        s.say("a", b"BOOTSTRAP 9")
    compare(world, script)


@case
def same_answers_source_and_quit(world):
    """SOURCE TCP with garbage, QUIT, unknown verbs, requests in pieces and together."""
    def script(s):
        s.open("a", PEER)
        s.say("a", b"SOURCE TCP 5", b"SOURCE TCP", b"SOURCE TCP abc def", b"SOURCE TCPX", b"SOURCE TCP \xff",
              b"SOURCE UDP 5", b"SOURCE", b"source tcp 5", b" SOURCE TCP 5", b"SOURCE  TCP 5", b"SOURCE TCP 1\n",
              b"", b" ", b"\x00", b"HELLO", b"GET / HTTP/1.1", b"NODES EMPTY", b"REMOTE TCP 1", b"RECONNECT",
              b"PREDICTION SET", b"SOURCE TCP\nBOOTSTRAP 1")
        s.send("a", b"SOURCE TCP 1\r\nBOOTSTRAP 1\r\n\r\nSOURCE TCP 2\r\nBOOTSTRAP 0\r\n")
        # Up to the second CR LF this is one line, and no request.
        s.raws["a"].send(b"SOURCE TCP")
        time.sleep(0.05)
        s.send("a", b" 1\r")
        s.send("a", b"\nBOOTSTRAP 1\n\r\n")
        for last in [b"QUIT now", b"QUITX", b"QUIT"]:
            s.open("q", OTHER)
            s.say("q", b"quit", b" QUIT", last)
        s.open("q", OTHER)
        s.send("q", b"BOOTSTRAP 1\r\nQUIT\r\n")
    compare(world, script)


@case
def same_answers_line_limit(world):
    """Lines at and beyond 16384 bytes, with and without an end."""
    def script(s):
        for extra in (-1, 0, 1, 2, 700):
            s.open("a", PEER)
            s.send("a", b"BOOTSTRAP 1 ".ljust(16384 + extra, b"x") + b"\r\n")
            if "a" in s.raws:
                s.close("a")
        for count in (16284, 17084):
            s.open("a", PEER)
            # Not finished: only the longer one is too long already.
            s.raws["a"].send(b"x" * count)
            s.send("a", b"\r\nBOOTSTRAP 1\r\n")
            if "a" in s.raws:
                s.close("a")
    compare(world, script)


@case
def same_answers_challenge(world):
    """CANDIDATE, CHALLENGE, ACCEPT and FIGHT, well and badly formed, repeated and for nobody."""
    now = time.time()
    node, peer = world.ip(NODE).encode(), world.ip(PEER).encode()
    accept = b"ACCEPT " + peer + b" 5 6 7 8 TCP "

    def script(s):
        s.open("n", NODE)
        s.open("p", PEER)
        s.say("p", b"CANDIDATE " + node + b" TCP 1 2 3 4")
        s.say("n", b"SIMULTANEOUS READY 0 0")
        s.say("p", b"BOOTSTRAP 9")
        for tail in [b" TCP 1 2 3 4", b" UDP 65535", b" TCP 1337", b" TCP", b" TCP ", b" TCP 1 ", b" TCP 1  2", b"  TCP 1",
                     b" TCP 0", b" TCP 65536", b" TCP 1 x", b" SCTP 1", b" tcp 1", b" TCP 1\t2", b" TCP -1",
                     b" 1 2 TCP", b":80 TCP 1"]:
            s.say("p", b"CANDIDATE " + node + tail)
        s.say("p", b"CANDIDATE 999.1.1.1 TCP 1", b"CANDIDATE 1.2.3 TCP 1", b"CANDIDATE 8.8.8.8 TCP 1", b"CANDIDATE",
              b"CANDIDATE  " + node + b" TCP 1", b"candidate " + node + b" TCP 1", b"CANDIDATE " + peer + b" TCP 1")
        for time_text in [b"", b"x", b"1.", b".5", b"-1", b"1e9", b"%d" % (now - 700), b"%d" % (now + 700)]:
            s.say("n", accept + time_text)
        good = b"%.6f" % now
        s.say("n", b"ACCEPT " + peer + b" 5 0 TCP " + good, b"ACCEPT " + peer + b" TCP " + good,
              b"ACCEPT " + peer + b" 5  6 TCP " + good, b"ACCEPT " + peer + b" 5 SCTP " + good,
              b"ACCEPT 9.9.9.9 5 TCP " + good, accept + good + b" ", b"accept " + peer + b" 5 TCP " + good)
        # Nobody challenged the peer.
        s.say("p", b"ACCEPT " + node + b" 5 TCP " + good)
        s.say("n", accept + good)
        s.say("n", accept + b"%d" % now)
        s.say("n", b"ACCEPT " + peer + b" 9 UDP " + b"%d.000" % (now + 500))
        # Accepted: not told again.
        s.say("n", b"SIMULTANEOUS READY 0 0")
        s.open("m", NODE)
        # A new one from the same address replaces it; from another connection counts too.
        s.say("p", b"CANDIDATE " + node + b" TCP 11 12")
        s.open("o", OTHER)
        s.say("o", b"CANDIDATE " + node + b" TCP 21")
        s.say("p", b"CANDIDATE " + node + b" TCP 13")
        # Every connection from the node's address, and every registration, brings them again.
        s.open("k", NODE)
        s.say("m", b"SIMULTANEOUS READY 0 0")
        s.say("k", accept + good)
        s.close("o")
        s.say("m", b"SIMULTANEOUS READY 0 0")
        s.say("p", b"CANDIDATE " + node + b" TCP 14")
        s.close("m")
        s.say("p", b"CANDIDATE " + node + b" TCP 15")
        s.say("k", b"SIMULTANEOUS READY 0 0")
        s.say("n", b"CLEAR")
        s.say("p", b"CANDIDATE " + node + b" TCP 16")
    transcript = compare(world, script)
    fight = f"    p gets 'FIGHT {node.decode()} 5 6 7 8 TCP {now:.6f}'"
    assert transcript.count(fight) == 2, transcript
    assert f"    n gets 'CHALLENGE {peer.decode()} 1 2 3 4 TCP'" in transcript


@case
def where_our_server_differs(world):
    """The deliberate differences, each shown on both servers."""
    theirs, ours = world.server("original", 1), world.server("ours", 2)
    nodes = "NODES p:%s:{} " % world.ip(NODE)
    # Request, what theirs lists afterwards, what ours does.
    for ready, at_theirs, at_ours in [
            (b"PASSIVE READY 00080 1", nodes.format("00080"), nodes.format("80")),
            (b"PASSIVE READY 0 1", nodes.format("0"), "NODES EMPTY"),
            (b"PASSIVE READY 99999 1", nodes.format("99999"), "NODES EMPTY")]:
        for server, expected in ((theirs, at_theirs), (ours, at_ours)):
            node = world.raw(NODE, server)
            assert node.ask(b"CLEAR\r\n" + ready + b"\r\nSOURCE TCP") == b"REMOTE TCP %d" % node.port
            listed = world.raw(PEER, server).ask(b"BOOTSTRAP 1")
            assert listed == expected.encode(), (ready, server, listed)
    # The asker's own entry uses up one of the places of an answer there, not here.
    for server, fewest in ((theirs, 1), (ours, 0)):
        for host in (NODE, OTHER):
            raw = world.raw(host, server)
            assert raw.ask(b"PASSIVE READY 1 1\r\nSOURCE TCP") == b"REMOTE TCP %d" % raw.port
        raw.send(b"BOOTSTRAP 1\r\n" * 60)
        empty = [raw.line() for _ in range(60)].count(b"NODES EMPTY")
        assert fewest <= empty <= 60 * fewest, (server, empty)
    # More predictions than any node makes, and leading zeros in them.
    predictions = b" ".join(b"%d" % n for n in range(1, 66))
    candidate = b"CANDIDATE " + world.ip(NODE).encode() + b" TCP "
    challenge = b"CHALLENGE " + world.ip(OTHER).encode() + b" %s TCP"
    for server, many, zeros in ((theirs, predictions, b"00080"), (ours, None, b"80")):
        node, other = world.raw(NODE, server), world.raw(OTHER, server)
        assert node.ask(b"SIMULTANEOUS READY 0 0\r\nSOURCE TCP") == b"REMOTE TCP %d" % node.port
        answer = other.ask(candidate + predictions + b"\r\nSOURCE TCP")
        if many is None:
            assert answer == b"REMOTE TCP %d" % other.port
        else:
            assert (answer, node.line()) == (b"PREDICTION SET", challenge % many)
            assert other.line() == b"REMOTE TCP %d" % other.port
        assert other.ask(candidate + b"00080") == b"PREDICTION SET"
        assert node.line() == challenge % zeros
    # The original would be busy with this for longer than the universe.
    raw = world.raw(PEER, ours)
    answer = raw.ask(candidate + b"1" * 16000 + b"x\r\nACCEPT 1.2.3.4 " + b"1" * 16000 + b"x\r\nSOURCE TCP")
    assert answer == b"REMOTE TCP %d" % raw.port
    # One address may not ask without end: 500 at once, then 100 a second.
    flood = world.raw(OTHER, ours)
    try:
        flood.send(b"BOOTSTRAP 0\r\n" * 5000)
    except OSError:
        pass
    assert flood.line() is None
