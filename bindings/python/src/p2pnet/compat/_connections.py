"""The connections of PyP2P's Net: the list that it is, finding and making them, and messages about them."""
import hashlib
import logging
import re
import time

import p2pnet

from ..constants import Via
from .lib import is_ip_valid, is_valid_port
from .sock import Con, Sock
from .unl import ZEROS

log = logging.getLogger("p2pnet.compat")
NEEDLES = re.compile(r"""^REVERSE_CONNECT|^REVERSE_QUERY|^REVERSE_ORIGIN|["']status["'](:|,)\s+u?["'](SYN|SYN-ACK|ACK|RST)["']""")


class Connections:
    """The part of Net that is about connections; _net is the p2pnet.Net, _cons the connections by number."""

    def _con(self, conn):
        """PyP2P's view of a connection."""
        with self._lock:
            con = self._cons.get(conn.id)
            if con is None:
                con = self._cons[conn.id] = Con(self, conn)
                con.nonce = self._nonce_of(conn)
            return con

    def _nonce_of(self, conn):
        """PyP2P's default nonce if it is that, else "": the library keeps nonces to itself. (None: not ready yet.)"""
        if self.net_type != "direct":
            return None
        their_ip = conn.peer.rpartition(":")[0]
        ours = {self.wan_ip, self._net.info().lan_ip} - {None, ""}
        return ZEROS if conn.con_id in {self.generate_con_id(ZEROS, their_ip, our_ip) for our_ip in ours} else ""

    def _filter(self, lines):
        """Without the lines that were seen before, if those are not wanted."""
        from . import net
        if self.enable_duplicates:
            return lines
        return [line for line in lines if not net.is_msg_old(line, record_seen=1)]

    def _carry(self, to, text):
        self.dht_node.repeat_relay_message(bytes.fromhex(to), text)

    def _reverse_message(self, msg):
        """A REVERSE_... message for this node: the library's to answer."""
        if self._net is not None and not self._net.closed:
            try:
                self._net.dht_deliver("", msg)
            except p2pnet.Error as e:
                log.warning("a message was not taken: %s", e)

    def _dht_message(self, node, msg):
        """What the DHT's handler is: messages that are about connections."""
        if NEEDLES.search(str(msg)) is None:
            return None
        if str(msg).startswith("REVERSE_"):
            if not hasattr(self.dht_node, "_nets"):  # else it was told at once
                self._reverse_message(str(msg))
        else:
            self.dht_messages.append({"message": msg, "source": None})
        return None

    def synchronize(self):
        """Looks at what has come: new connections, lines, ends. Iterating and len() do it."""
        if self._net is None or self._net.closed:
            return
        with self._lock:
            self._net.poll()
            while True:
                try:
                    self._con(self._net.accept(0))
                except (p2pnet.TimeoutError, p2pnet.ClosedError):
                    break
            for number, con in list(self._cons.items()):
                if con.conn.closed and not con.conn._queue and not con.replies:
                    del self._cons[number]
            self.inbound = [self._node(con) for con in self._cons.values() if con.conn.inbound]
            self.outbound = [self._node(con) for con in self._cons.values() if not con.conn.inbound]

    def _node(self, con):
        if con.conn.via == Via.PUNCH:
            how = "simultaneous"
        else:
            how = "accept" if con.conn.inbound else "passive"
        return {"type": how, "con": con, "ip": con.addr, "port": con.port}

    def synchronize_loop(self):
        """Looks at the net every five seconds, for ever."""
        while 1:
            self.synchronize()
            time.sleep(5)

    def validate_node(self, node_ip, node_port=None, same_nodes=1):
        """1 if a connection to that address makes sense: it is one, not our own, and not connected yet."""
        if not is_ip_valid(node_ip) or node_ip == "0.0.0.0" or node_port and not is_valid_port(node_port):
            return 0
        if self.enable_duplicate_ip_cons:
            return 1
        if node_ip in (self.wan_ip, self.passive_bind) or self._net and node_ip == self._net.info().lan_ip:
            return 0
        return int(not same_nodes or self.con_by_ip(node_ip) is None)

    def add_node(self, node_ip, node_port, node_type, timeout=5):
        """Connects to a node, and gives the connection or None."""
        if not self.is_net_started:
            raise Exception("call start() before add_node()")
        if not self.enable_duplicate_ip_cons and self.con_by_ip(node_ip) is not None:
            return self.con_by_ip(node_ip)
        try:
            if node_type == "passive":
                conn = self._net.connect((node_ip, int(node_port)), timeout)
            elif node_type == "simultaneous" and self.enable_simultaneous:
                there = self._net.unl(wan_ip=node_ip, lan_ip=node_ip, listen_port=int(node_port), node_id="00" * 20,
                                      node_type="simultaneous")
                conn = self._net.connect_classic(there, ZEROS, timeout=max(timeout, 30))
            else:
                return None
        except (p2pnet.Error, ValueError) as e:
            self._note(f"connecting to {node_ip}:{node_port}", e)
            return None
        con = self._con(conn)
        self.synchronize()
        return con

    def _connect_unl(self, their_unl, nonce, flags):
        """unl.connect(): the connection, or an error."""
        if self._net is None:
            raise p2pnet.StateError("call start() before unl.connect()")
        con = self._con(self._net.connect_classic(their_unl, nonce, flags))
        con.nonce, con.unl = nonce, their_unl
        return con

    def _construct(self, changes):
        if self._net is None:
            raise p2pnet.StateError("call start() before asking for the UNL")
        return self._net.unl(**changes)

    def _all(self):
        with self._lock:
            return list(self._cons.values())

    def con_by_unl(self, unl, cons=None):
        """The connection that was made by this UNL, or None."""
        for con in self._all() if cons is None else cons:
            con = con if isinstance(con, Sock) else con["con"]
            if con.unl is not None and con.unl == unl:
                return con
        return None

    def con_by_ip(self, ip):
        """The connection with this address, or None."""
        return next((con for con in self._all() if con.connected and con.addr == ip), None)

    def con_by_id(self, expected_id):
        """The connection that both ends call so (direct nets), or None."""
        return next((con for con in self._all() if con.conn.con_id and con.conn.con_id == expected_id), None)

    def generate_con_id(self, nonce, their_wan_ip, our_wan_ip):
        """What both ends call a connection with this nonce between these addresses."""
        theirs, ours = (hashlib.sha256(ip.encode("ascii") if isinstance(ip, str) else ip).hexdigest()
                        for ip in (their_wan_ip, our_wan_ip))
        both = max(theirs, ours) + min(theirs, ours)
        nonce = nonce if isinstance(nonce, str) else nonce.decode("ascii")
        return hashlib.sha256((nonce + hashlib.sha256(both.encode("ascii")).hexdigest()).encode("ascii")).hexdigest()

    def broadcast(self, msg, source_con=None):
        """Sends a line to all connections but one."""
        for con in self._all():
            if con is not source_con:
                con.send_line(msg)

    def close_cons(self):
        """Closes all connections."""
        for con in self._all():
            con.close()
        self.inbound, self.outbound = [], []

    def get_connection_no(self):
        return len(self.outbound) + len(self.inbound)

    def __len__(self):
        self.synchronize()
        return len(self.inbound) + len(self.outbound)

    def __bool__(self):  # a net without connections is one all the same
        return True

    def __iter__(self):
        self.synchronize()
        return iter(self._all())
