"""PyP2P's Net over p2pnet.Net: a list of connections, each a list of lines, looked at in a loop.

    from p2pnet.compat.net import *

    net = Net(passive_bind="127.0.0.2", passive_port=44444, node_type="passive")
    net.start()
    net.bootstrap()
    net.advertise()
    while 1:
        for con in net:
            for reply in con:
                print(reply)
        time.sleep(1)
"""
import collections
import hashlib
import logging
import os
import random
import re
import select
import signal
import socket
import struct
import sys
import threading
import time
import urllib.parse
from threading import Thread

import p2pnet
import p2pnet.core

from .._router import log as native_log
from ..constants import Nat, NodeType
from ._connections import Connections
from .lib import *  # noqa: F401,F403  `from pyp2p.net import *` brought all of these
from .rendezvous_client import RendezvousClient
from .sock import Sock
from .unl import UNL, is_valid_unl

log = logging.getLogger("p2pnet.compat")

# Settings that programs change before they make a net.
max_retransmissions = 1
min_retransmit_interval = 5
propagation_delay = 5
dht_msg_interval = 5
rendezvous_interval = 30 * 60
advertise_interval = 60 * 60 * 12
sim_open_interval = 2

#: Hashes of lines that have been seen, and when and how often. Of the last 65536.
seen_messages = collections.OrderedDict()
MOST_SEEN = 65536
_seen_lock = threading.Lock()


def _servers(text):
    """[{"addr", "port"}, ...] of "host:port,host:port"."""
    return [{"addr": host.strip("[]"), "port": int(port)}
            for host, _, port in (each.strip().rpartition(":") for each in text.split(",") if each.strip())]


def _scripts(text):
    """[{"addr", "port", "url"}, ...] of URLs with commas between."""
    urls = [urllib.parse.urlsplit(each.strip()) for each in text.split(",") if each.strip()]
    return [{"addr": u.hostname, "port": u.port or 80, "url": u.path or "/"} for u in urls]


#: Servers at which nodes find each other: [{"addr": "203.0.113.5", "port": 8000}].
rendezvous_servers = _servers(os.environ.get("P2PNET_RENDEZVOUS", ""))
#: Scripts that tell whether a port is open, and this machine's address: [{"addr": ..., "port": 8080, "url": "/net.php"}].
forwarding_servers = _scripts(os.environ.get("P2PNET_FORWARDING", ""))

NODE_TYPES = {NodeType.UNKNOWN: "unknown", NodeType.PASSIVE: "passive", NodeType.ACTIVE: "active",
              NodeType.SIMULTANEOUS: "simultaneous"}
#: Without a NAT ports are as they are, which PyP2P calls preserving.
NATS = {Nat.UNKNOWN: "unknown", Nat.NONE: "preserving", Nat.PRESERVING: "preserving", Nat.DELTA: "delta",
        Nat.REUSE: "reuse", Nat.RANDOM: "random"}


def _hash(msg):
    return hashlib.sha256(p2pnet.core.octets(msg)).hexdigest()


def is_msg_old(msg, record_seen=0):
    """1 if that line has been seen; record_seen: it counts as seen from now on."""
    with _seen_lock:
        seen = seen_messages.get(_hash(msg))
        if seen is not None and (seen["times"] >= max_retransmissions
                                 or time.time() - seen["last"] < min_retransmit_interval):
            return 1
    if record_seen:
        record_msg_hash(msg)
    return 0


def record_msg_hash(msg):
    """Notes a line as seen; 0 if it was before."""
    if is_msg_old(msg):
        return 0
    with _seen_lock:
        seen = seen_messages.setdefault(_hash(msg), {"times": 0, "last": 0})
        seen["times"] += 1
        seen["last"] = int(time.time())
        while len(seen_messages) > MOST_SEEN:
            seen_messages.popitem(last=False)
    return 1


def clear_seen_messages():
    """Forgets them all."""
    with _seen_lock:
        seen_messages.clear()


class _Passive:
    """What is left of the listening socket: the library has it."""

    def __init__(self, net):
        self._net = net

    def getsockname(self):
        return (self._net.passive_bind, self._net.passive_port)


class Net(Connections):
    """A node. Attributes that say what it is to do (enable_*, min_connected, node_type, ...) are read by start()."""

    def __init__(self, net_type="p2p", nat_type="unknown", node_type="unknown", max_outbound=10, max_inbound=10,
                 passive_bind="0.0.0.0", passive_port=50500, interface="default", wan_ip=None, dht_node=None,
                 error_log_path=None, debug=0, sys_clock=None, servers=None):
        self.net_type, self.passive_bind, self.interface, self.debug = net_type, passive_bind, interface, debug
        self.max_outbound, self.max_inbound = int(max_outbound), int(max_inbound)
        self.dht_node, self.error_log_path, self.sys_clock = dht_node, error_log_path, sys_clock
        self._node_type, self._nat_type, self._wan_ip = node_type, nat_type, wan_ip
        self._passive_port = int(passive_port)
        self.outbound, self.inbound, self.passive, self.unl = [], [], None, None
        self.forwarding_servers = forwarding_servers
        self.rendezvous_servers = servers or rendezvous_servers
        self.rendezvous = RendezvousClient(nat_type, self.rendezvous_servers, interface, sys_clock)
        self.rendezvous._net = self
        self.last_bootstrap = self.last_advertise = self.last_dht_msg = None
        self.last_passive_sim_open = 0
        self.min_connected = 3
        self.enable_bootstrap = self.enable_advertise = self.enable_forwarding = self.enable_simultaneous = 1
        self.enable_duplicates, self.enable_duplicate_ip_cons = 1, 0
        self.dht_messages, self.pending_reverse_queries, self.reverse_query_expiry = [], [], 60
        self.is_net_started = 0
        self._net, self._cons, self._lock = None, {}, threading.RLock()
        if net_type == "direct":
            self.disable_bootstrap()
            self.enable_duplicate_ip_cons = 1
        self.dht_msg_handler = self._dht_message
        if dht_node is not None:
            dht_node.add_message_handler(self.dht_msg_handler)
            if hasattr(dht_node, "_nets"):
                dht_node._nets.add(self)

    def debug_print(self, msg):
        log.debug("%s", msg)

    def disable_duplicates(self):
        """Lines that were seen before, on any connection, are not given again."""
        self.enable_duplicates = 0

    def disable_bootstrap(self):
        self.enable_bootstrap = 0

    def disable_advertise(self):
        self.enable_advertise = 0

    def disable_simultaneous(self):
        self.enable_simultaneous = 0

    def disable_forwarding(self):
        self.enable_forwarding = 0

    # What it is: as set, and once it is started as the library has found out.

    def _fact(self, name, set_to, names):
        if self._net is None or self._net.closed:
            return set_to
        return names.get(getattr(self._net.info(), name), "unknown")

    @property
    def node_type(self):
        return self._fact("node_type", self._node_type, NODE_TYPES)

    @node_type.setter
    def node_type(self, value):
        self._node_type = value

    @property
    def nat_type(self):
        return self._fact("nat", self._nat_type, NATS)

    @nat_type.setter
    def nat_type(self, value):
        self._nat_type = value

    @property
    def forwarding_type(self):
        """As the UNL says it."""
        try:
            return UNL(net=self).deconstruct()["forwarding_type"]
        except p2pnet.Error:
            return "manual"  # not started, or not known yet

    @property
    def passive_port(self):
        return self._passive_port

    @passive_port.setter
    def passive_port(self, value):
        self._passive_port = int(value)

    @property
    def wan_ip(self):
        """Our address from outside; None if not known."""
        if self._wan_ip or self._net is None or self._net.closed:
            return self._wan_ip
        return self._net.info().wan_ip or None

    @wan_ip.setter
    def wan_ip(self, value):
        self._wan_ip = value

    # Its life.

    def _options(self):
        """The library's options for what this net is to do."""
        scripts = [f"http://{s['addr']}:{s['port']}{s['url']}" for s in self.forwarding_servers]
        return {
            "dialect": "classic", "net_type": self.net_type, "nat_type": self._nat_type, "node_type": self._node_type,
            "max_outbound": self.max_outbound, "max_inbound": self.max_inbound, "min_connected": self.min_connected,
            "passive_bind": self.passive_bind, "passive_port": self._passive_port, "wan_ip": self._wan_ip or None,
            "interface": "" if self.interface in ("default", None) else self.interface,
            "forwarding": None if self.enable_forwarding else 0,
            "bootstrap": int(bool(self.enable_bootstrap)), "advertise": int(bool(self.enable_advertise)),
            "simultaneous": int(bool(self.enable_simultaneous)),
            "duplicate_ip": 1 if self.enable_duplicate_ip_cons else None,
            "bootstrap_interval_ms": int(rendezvous_interval * 1000),
            "advertise_interval_ms": int(advertise_interval * 1000),
            "servers": ["{}:{}".format(f"[{s['addr']}]" if ":" in s["addr"] else s["addr"], s["port"])
                        for s in self.rendezvous_servers],
            "reachability_servers": scripts or None, "log_level": "debug" if self.debug else None,
            "dht": None if self.dht_node is None else self.dht_node.get_id().hex(),
            "carry": None if self.dht_node is None else self._carry,
        }

    def start(self):
        """Starts the node, and waits until it knows how it stands (3 s at most). Gives the net itself."""
        if self.debug:
            logging.basicConfig()
            log.setLevel(logging.DEBUG)
            native_log.setLevel(logging.DEBUG)
        net = p2pnet.Net(errors="replace", **self._options())
        try:
            net.start()
        except BaseException:
            net.close()
            raise
        self._net, self.is_net_started = net, 1
        self._passive_port = net.info().passive_port
        self.passive = _Passive(self)
        self.unl = UNL(net=self, dht_node=self.dht_node, wan_ip=self._wan_ip)
        return self

    def start_passive_server(self):
        """Nothing: start() opens the port."""

    def determine_node(self):
        """What type of node this is."""
        return self.node_type

    def stop(self, signum=None, frame=None):
        """Closes all connections and ends the node. (As a signal handler it raises, as PyP2P's.)"""
        if self._net is not None:
            self._net.close()
        self.passive, self.inbound, self.outbound = None, [], []
        with self._lock:
            self._cons.clear()
        if signum is not None:
            raise Exception("Process was interrupted.")

    def _note(self, what, error):
        """Where PyP2P wrote what went wrong; in error_log_path only if the program gave one."""
        log.warning("%s: %s", what, error)
        log_exception(self.error_log_path, f"{what}: {error}")

    def _is_time(self, last, interval):
        return last is None or time.time() - last > interval

    def bootstrap(self):
        """Asks the rendezvous servers for nodes; the connections to them come while the net is looked at."""
        if not self.enable_bootstrap or not self._is_time(self.last_bootstrap, rendezvous_interval):
            return None
        if not self.is_net_started:
            raise Exception("call start() before bootstrap()")
        self.last_bootstrap = time.time()
        try:
            self._net.bootstrap()
        except p2pnet.Error as e:
            self._note("bootstrap", e)
        return self

    def advertise(self):
        """Has this node listed at the rendezvous servers, if it is passive and for a p2p network."""
        if not self.enable_advertise or self.net_type == "direct":
            return None
        if not self.is_net_started:
            raise Exception("call start() before advertise()")
        if not self._is_time(self.last_advertise, advertise_interval):
            return None
        self.last_advertise = time.time()
        try:
            self._net.advertise()
        except p2pnet.Error as e:
            self._note("advertise", e)
        return self
