"""PyP2P's UNL: the locator of a node, and connecting by it."""
import base64
import binascii
import hashlib
import logging
import socket
import struct
import sys
import time
from threading import Lock, Thread

from ..constants import Classic
from ..errors import Error
from .lib import *  # noqa: F401,F403  programs had all of it by `from pyp2p.unl import *`

log = logging.getLogger("p2pnet.compat")
ZEROS = "0" * 64
NODE_TYPES = {"p": "passive", "a": "active", "s": "simultaneous"}
NAT_TYPES = {"m": "random", "g": "preserving", "e": "reuse"}
FORWARDING_TYPES = {"f": "forwarded", "m": "manual", "U": "UPnP", "N": "NATPMP"}


def is_valid_unl(value):
    """1 if it is a UNL that can be read."""
    return 0 if read_unl(value)[0] is None else 1


def read_unl(unl):
    """What a UNL says, as a dictionary, and None; or None and what is wrong with it."""
    value = unl.decode("ascii", "replace") if isinstance(unl, bytes) else unl
    try:
        octets = base64.b64decode(value)
        if len(octets) != 38:
            raise ValueError(f"it has {len(octets)} bytes, expected 38")
        octets, checksum = octets[:-4], octets[-4:]
        if hashlib.sha256(hashlib.sha256(octets).digest()).digest()[:4] != checksum:
            raise ValueError("its checksum is wrong")
        version, node_id, node_type, nat, forwarding, port, wan, lan = struct.unpack("<B20sBBBHII", octets)
        return {
            "value": value, "version": version, "node_id": node_id, "node_type": NODE_TYPES[chr(node_type)],
            "nat_type": NAT_TYPES[chr(nat)], "forwarding_type": FORWARDING_TYPES[chr(forwarding)],
            "listen_port": port, "wan_ip": socket.inet_ntoa(struct.pack("!I", wan)),
            "lan_ip": socket.inet_ntoa(struct.pack("!I", lan)),
        }, None
    except KeyError as e:
        return None, f"the letter {e} in it means nothing"
    except (ValueError, TypeError, struct.error) as e:
        return None, str(e)


class UNL:
    """A UNL: of a net (value then follows the net's situation), or a given one."""

    def __init__(self, net=None, dht_node=None, value=None, wan_ip=None, debug=0):
        self.net, self.dht_node, self.debug, self.version = net, dht_node, debug, 2
        self.node_type_lookup, self.nat_type_lookup = dict(NODE_TYPES), dict(NAT_TYPES)
        self.forwarding_type_lookup = dict(FORWARDING_TYPES)
        self.wan_ip = wan_ip
        self.unl_threads, self.pending_unls, self.pending_sim_open, self.pending_reverse_con = [], [], [], []
        self.mutex = Lock()
        self._value = value.decode("ascii") if isinstance(value, bytes) else value

    @property
    def value(self):
        return self.construct() if self._value is None else self._value

    @value.setter
    def value(self, value):
        self._value = value

    def construct(self, details=None):
        """The net's UNL, with some facts replaced by those in details."""
        if self.net is None:
            raise Exception("a UNL without a net cannot be constructed; UNL(net=...) can")
        changes = dict(details or {})
        node_id = changes.get("node_id")
        if isinstance(node_id, bytes):
            changes["node_id"] = node_id.ljust(20, b"\0").hex()
        return self.net._construct({name: str(value) for name, value in changes.items()})

    def deconstruct(self, unl=None):
        """What a UNL says (None: this one), or None if it cannot be read."""
        told, why = read_unl(self.value if unl is None else unl)
        if why is not None:
            log.warning("the UNL %r cannot be read: %s", unl, why)
        return told

    def is_master(self, their_unl):
        """1 if this one is the larger."""
        ours, theirs = (u.encode("ascii") if isinstance(u, str) else u for u in (self.value, their_unl))
        return int(int(binascii.hexlify(ours), 16) > int(binascii.hexlify(theirs), 16))

    def __eq__(self, other):
        if not isinstance(other, UNL):
            return NotImplemented
        ours, theirs = self.deconstruct(), other.deconstruct()
        if ours is None or theirs is None:
            return self.value == other.value
        return all(ours[name] == theirs[name] for name in ("wan_ip", "lan_ip", "listen_port"))

    __hash__ = None

    def connect(self, their_unl, events, force_master=1, hairpin=1, nonce=ZEROS):
        """Connects on a thread, which then calls events["success"](con) or events["failure"](None)."""
        thread = Thread(target=self.connect_handler, args=(their_unl, events, force_master, hairpin, nonce), daemon=True)
        thread.start()
        self.unl_threads = [t for t in self.unl_threads if t.is_alive()] + [thread]

    def connect_handler(self, their_unl, events, force_master, hairpin, nonce):
        """What connect() does on its thread."""
        if isinstance(their_unl, bytes):
            their_unl = their_unl.decode("ascii")
        events, told = events or {}, read_unl(their_unl)[0]
        flags = (0 if force_master else Classic.NOT_MASTER) | (0 if hairpin else Classic.NO_HAIRPIN)
        self.pending_unls.append(told)
        con = None
        try:
            con = self.net._connect_unl(their_unl, nonce, flags)
        except (Error, TypeError, ValueError) as e:
            log.warning("no connection by UNL: %s", e)
        finally:
            self.pending_unls.remove(told)
        if con is not None and "success" in events:
            events["success"](con)
        if con is None and "failure" in events:
            events["failure"](None)
