#!/usr/bin/env python3
"""One node of the original PyP2P 0.8.3, driven by JSON lines.

  original.py '{"ip": "127.0.3.2", "port": 24444, "servers": [["127.0.3.1", 8000]], ...}'

The settings are in `SETTINGS` below. Standard input takes calls, {"id": 1, "do": "send", "con": 1, "lines": ["hello"]}:
each is a method `do_...` of `Driver` and is answered by {"id": 1, "result": ...} or {"id": 1, "error": "..."}. Between
the answers come events, {"event": "ready" | "opened" | "lines" | "gone" | ..., ...}. The node ends with its input.
"""
import json
import os
import queue
import select
import sys
import threading
import time

import compat

SETTINGS = {
    "ip": None,  # its LAN address, and the source of its connections
    "port": 0,  # to listen on
    "wan_ip": None,  # None: asked of net.php
    "servers": [],  # rendezvous servers, [address, port]
    "http": None,  # [address, port] of net.php and dht_msg.php
    "net_type": "p2p",
    "node_type": "passive",
    "nat_type": "preserving",
    "max_inbound": 10,
    "max_outbound": 10,
    # False: connections leave from where the system likes. The original cannot test its NAT with an interface set.
    "bind_source": True,
    # True: the sockets of a hole punch are bound to its address all the same.
    "bind_punches": False,
    "forwarding": False,  # look whether the port is reachable
    "drop_duplicates": False,
    "dht": None,  # 20 characters: have a DHT node of this id
    "fight_delay": 6,  # seconds from ACCEPT to the punch
}
PAUSE = 0.01
FLOOD_STEP = 100


class LocalClock:
    """What the original takes for its NTP-corrected clock."""

    @staticmethod
    def time():
        return time.time()


class Driver:
    """The node, and what is known of its connections."""

    def __init__(self, settings, tell):
        self.settings, self.tell = settings, tell
        self.numbers, self.cons, self.floods = {}, {}, []
        self.dht = None
        servers = [tuple(s) for s in settings["servers"]]
        compat.redirect(settings["ip"], servers, tuple(settings["http"]) if settings["http"] else None)
        self.watch_servers(set(servers))
        if settings["bind_punches"]:
            from pyp2p import rendezvous_client
            bind = rendezvous_client.sequential_bind
            rendezvous_client.sequential_bind = lambda n, _interface: bind(n, "lo")
        if settings["dht"]:
            from pyp2p.dht_msg import DHT
            self.dht = DHT(node_id=settings["dht"], debug=0)
            self.dht.hook_queue(queue.Queue())
            self.dht.add_message_handler(lambda _dht, message: self.tell(event="message", value=message))
        self.net = self.start()

    def start(self):
        from pyp2p.net import Net
        s = self.settings
        net = Net(net_type=s["net_type"], nat_type=s["nat_type"], node_type=s["node_type"],
                  max_outbound=s["max_outbound"], max_inbound=s["max_inbound"], passive_bind=s["ip"],
                  passive_port=s["port"], interface="lo" if s["bind_source"] else "default", wan_ip=s["wan_ip"],
                  dht_node=self.dht, sys_clock=LocalClock())
        net.rendezvous.ntp_delay = s["fight_delay"]
        # Until the test asks for them.
        net.disable_bootstrap()
        net.disable_advertise()
        if not s["forwarding"]:
            net.disable_forwarding()
        if s["drop_duplicates"]:
            net.disable_duplicates()
        net.start()
        self.tell(event="ready", nat_type=net.nat_type, node_type=net.node_type, wan_ip=net.wan_ip,
                  forwarding_type=net.forwarding_type, unl=net.unl.value)
        return net

    def watch_servers(self, servers):
        """Tells every line to and from a rendezvous server."""
        from pyp2p.sock import Sock
        send_line, parse_buf = Sock.send_line, Sock.parse_buf

        def is_server(sock):
            return (getattr(sock, "addr", None), getattr(sock, "port", None)) in servers

        def watched_send_line(sock, msg, timeout=5):
            if is_server(sock):
                self.tell(event="said", line=msg)
            return send_line(sock, msg, timeout)

        def watched_parse_buf(sock, encoding="unicode"):
            lines = parse_buf(sock, encoding)
            if is_server(sock):
                for line in lines:
                    self.tell(event="heard", line=line)
            return lines

        Sock.send_line, Sock.parse_buf = watched_send_line, watched_parse_buf

    def number(self, con):
        """The number of a connection, given at first sight."""
        if id(con) not in self.numbers:
            self.numbers[id(con)] = len(self.numbers) + 1
            self.cons[self.numbers[id(con)]] = con
        return self.numbers[id(con)]

    def turn(self, shown):
        """Looks at everything once. `shown`: numbers of the connections that were told; gives the present ones."""
        present = set()
        for con in self.net:
            n = self.number(con)
            present.add(n)
            if n not in shown:
                node = next((x for x in self.net.inbound + self.net.outbound if x["con"] is con), {})
                self.tell(event="opened", con=n, ip=node.get("ip"), how=node.get("type"), nonce=con.nonce)
            try:
                # Not list(con): that asks for the length as well, for which the original reads the socket again, and
                # what that brings is lost if the connection ends there.
                lines = [line for line in con]
            except Exception as e:
                self.tell(event="trouble", con=n, what=repr(e))
                con.close()
                continue
            if lines:
                self.tell(event="lines", con=n, lines=lines)
        for n in shown - present:
            self.tell(event="gone", con=n)
        for flood in self.floods[:]:
            self.flood_on(flood)
        if self.dht is not None:
            self.dht.get_messages()
        return present

    def flood_on(self, flood):
        con, sent, count, prefix = flood
        until = min(count, sent + FLOOD_STEP)
        while flood[1] < until:
            line = ("%s%d" % (prefix, flood[1])).encode("utf-8")
            if con.send_line(line) != len(line) + 2:
                until = count = -1
                break
            flood[1] += 1
        if until == count:
            self.floods.remove(flood)
            self.tell(event="flooded", con=self.number(con), sent=flood[1])

    def do_send(self, con, lines=(), hex_lines=()):
        """Sends texts as UTF-8, or bytes given in hexadecimal; gives what send_line returned for each."""
        octets = [line.encode("utf-8") for line in lines] + [bytes.fromhex(line) for line in hex_lines]
        return [self.cons[con].send_line(line) for line in octets]

    def do_send_raw(self, con, data_hex):
        return self.cons[con].send(bytes.fromhex(data_hex), send_all=1)

    def do_flood(self, con, prefix, count):
        """Sends count numbered lines, some at each turn; "flooded" tells the end."""
        self.floods.append([self.cons[con], 0, count, prefix])

    def do_broadcast(self, text):
        self.net.broadcast(text.encode("utf-8"))

    def do_add(self, ip, port, kind="passive"):
        con = self.net.add_node(ip, port, kind)
        return None if con is None else self.number(con)

    def do_cross(self, ip, port):
        """Connects to a node whose own connection to us has arrived and is not accepted yet; ends once it has refused ours."""
        select.select([self.net.passive], [], [], 10)
        added = self.do_add(ip, port)
        # Before that we accept nothing: refused by us, its own would be gone, and ours no second one any more.
        select.select([self.cons[added].s], [], [], 10)
        return added

    def do_unl_connect(self, unl, nonce="0" * 64, force_master=1):
        """unl.connect(); "connected" or "failed" follows."""
        self.net.unl.connect(unl, {"success": lambda con: self.tell(event="connected", con=self.number(con)),
                                   "failure": lambda con: self.tell(event="failed")}, force_master=force_master,
                             nonce=nonce)

    def do_con_id(self, con):
        """What the original calls a connection."""
        from pyp2p.lib import get_lan_ip, is_ip_private
        con = self.cons[con]
        their_ip = con.s.getpeername()[0]
        our_ip = get_lan_ip(self.net.interface) if is_ip_private(their_ip) else self.net.wan_ip
        con_id = self.net.generate_con_id(con.nonce, their_ip, our_ip)
        assert self.net.con_by_id(con_id) is con
        return con_id

    def do_read_unl(self, unl):
        """What the original reads in a UNL; None if it cannot."""
        from pyp2p.unl import UNL
        read = UNL(value=unl, wan_ip="127.0.0.1").deconstruct()
        return read and {**read, "value": None, "node_id": read["node_id"].hex()}

    def do_make_unl(self, **details):
        return self.net.unl.construct(details)

    def do_close(self, con):
        self.cons[con].close()

    def do_bootstrap(self):
        """Asks the servers for nodes and connects to them; gives the addresses it is connected to."""
        self.net.enable_bootstrap, self.net.last_bootstrap = 1, None
        self.net.bootstrap()
        self.net.disable_bootstrap()
        return [node["ip"] for node in self.net.outbound]

    def do_advertise(self):
        self.net.enable_advertise, self.net.last_advertise = 1, None
        self.net.advertise()

    def do_counts(self):
        return {"inbound": len(self.net.inbound), "outbound": len(self.net.outbound),
                "pending_reverse_queries": len(self.net.pending_reverse_queries)}

    def do_is_forwarded(self, ip, port):
        from pyp2p import lib, net
        return lib.is_port_forwarded(ip, port, "TCP", net.forwarding_servers)

    def do_message(self, node_id, value):
        """A direct message to the DHT node of this id (characters)."""
        self.dht.direct_message(node_id.encode("ascii"), value)

    def do_neighbours(self):
        return [[node.ip, node.port, node.id.decode("ascii")] for node in self.dht.get_neighbours()]

    def do_stop(self):
        self.net.stop()


def main():
    out = os.fdopen(os.dup(1), "w")
    # The original prints; that goes where errors go.
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(**what):
        with lock:
            out.write(json.dumps(what) + "\n")
            out.flush()

    calls = queue.Queue()

    def read():
        for line in sys.stdin:
            calls.put(json.loads(line))
        calls.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        driver = Driver({**SETTINGS, **json.loads(sys.argv[1])}, tell)
        shown = set()
        while True:
            shown = driver.turn(shown)
            try:
                call = calls.get(timeout=PAUSE)
            except queue.Empty:
                continue
            if call is None:
                break
            n, name = call.pop("id"), call.pop("do")
            try:
                tell(id=n, result=getattr(driver, "do_" + name)(**call))
            except Exception as e:
                tell(id=n, error=repr(e))
            if name == "stop":
                break
    except BrokenPipeError:
        pass
    finally:
        # It leaves threads behind that would keep the process.
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
