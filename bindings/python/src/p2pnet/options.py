"""The keyword arguments of a net: every P2P_OPT_* by its name in small letters, and lists of servers and peers.

    Net(node_type="passive", passive_port=44444, servers=["127.0.0.1:8000"], dialect="secure")

Names, units and ranges are the header's; the README of the project has the table. Where an option takes one of some constants,
the constant, its name and its number will do; where it takes bits, also several names.
"""
from __future__ import annotations

import ctypes
import difflib
from ctypes import c_int64, c_void_p
from enum import IntFlag
from typing import Any, Dict, Iterable, List, Type

from . import _native
from .constants import Dialect, Framing, Fwd, Log, Mainline, Nat, NetType, NodeType, Opt, Server

#: Options whose number is one of these.
ENUMS: Dict[Opt, Type[Any]] = {
    Opt.NODE_TYPE: NodeType, Opt.NET_TYPE: NetType, Opt.NAT_TYPE: Nat, Opt.FORWARDING: Fwd, Opt.FRAMING: Framing,
    Opt.LOG_LEVEL: Log, Opt.DIALECT: Dialect, Opt.MAINLINE: Mainline,
}
#: Lists of servers, and of which kind.
SERVERS: Dict[str, Server] = {
    "servers": Server.RENDEZVOUS, "reachability_servers": Server.REACHABILITY, "ntp_servers": Server.NTP,
    "dht_servers": Server.DHT, "mainline_servers": Server.MAINLINE, "relay_servers": Server.RELAY,
}
#: Options that are texts.
FIRST_TEXT = 1001
OTHERS = ("allow", "dht")


def names() -> List[str]:
    """Every keyword argument there is."""
    return [o.name.lower() for o in Opt] + list(SERVERS) + list(OTHERS)


def _choose(name: str, kind: Type[Any], word: str) -> int:
    """The constant of that name."""
    try:
        return int(kind[word.upper().replace("-", "_")])
    except KeyError:
        choices = ", ".join(member.lower() for member in kind.__members__)
        raise ValueError(f"{name}: {word!r} is none of them; expected one of {choices}") from None


def number(name: str, value: Any) -> int:
    """The number for an option."""
    kind = ENUMS.get(Opt[name.upper()])
    if kind is not None and isinstance(value, str):
        return _choose(name, kind, value)
    if kind is not None and issubclass(kind, IntFlag) and isinstance(value, (list, tuple, set, frozenset)):
        bits = 0
        for each in value:
            bits |= number(name, each)
        return bits
    if not isinstance(value, int):
        what = "a number" if kind is None else f"one of p2pnet.{kind.__name__}, or its name"
        raise TypeError(f"{name}: {value!r} is a {type(value).__name__}; expected {what}")
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{name}: {value} is out of range; expected a number of 64 bits")
    return int(value)


def text(name: str, value: Any) -> bytes:
    """The text for an option, a server or a peer."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r} is a {type(value).__name__}; expected a text (str)")
    if "\0" in value:
        raise ValueError(f"{name}: {value!r} has a NUL inside; expected a text without")
    return value.encode("utf-8", "surrogateescape")


def _each(name: str, value: Any) -> Iterable[Any]:
    if isinstance(value, str):  # or its letters would be taken for servers
        return [value]
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise TypeError(f"{name}: {value!r} is a {type(value).__name__}; expected a list of texts")
    return value


def _unknown(name: str) -> TypeError:
    near = difflib.get_close_matches(name, names(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else "; p2pnet.options.names() lists them"
    return TypeError(f"a net has no option {name!r}{hint}")


def _set(config: Any, name: str, value: Any) -> None:
    """One keyword argument."""
    told = _native.new_error()
    if name in SERVERS:
        for each in _each(name, value):
            address = text(name, each)
            _native.check(_native.lib.p2p_config_add_server(config, SERVERS[name], address, told), told)
    elif name == "allow":
        for each in _each(name, value):
            _native.check(_native.lib.p2p_config_allow_peer(config, text(name, each), told), told)
    elif name == "dht":
        if value is None or value is False:
            return
        dht = _native.CDht(struct_size=ctypes.sizeof(_native.CDht))
        dht.node_id = None if value is True else text(name, value)
        _native.check(_native.lib.p2p_config_set_dht(config, dht, told), told)
    elif name.upper() not in Opt.__members__:
        raise _unknown(name)
    elif Opt[name.upper()] < FIRST_TEXT:
        option = Opt[name.upper()]
        _native.check(_native.lib.p2p_config_set_int(config, option, number(name, value), told), told)
    else:
        option = Opt[name.upper()]
        _native.check(_native.lib.p2p_config_set_str(config, option, text(name, value), told), told)


def default(name: str) -> int:
    """What an option that is a number is if it is not given."""
    config, value, told = _native.lib.p2p_config_new(), c_int64(), _native.new_error()
    try:
        _native.check(_native.lib.p2p_config_get_int(config, Opt[name.upper()], value, told), told)
        return int(value.value)
    finally:
        _native.lib.p2p_config_free(config)


def new_net(options: Dict[str, Any]) -> _native.Handle:
    """A net with these options. Those that are None are left at their defaults."""
    config = _native.lib.p2p_config_new()
    if not config:
        raise MemoryError("no memory for the options of a net")
    try:
        for name, value in options.items():
            if value is not None:
                _set(config, name, value)
            elif name not in names():
                raise _unknown(name)
        net, told = c_void_p(), _native.new_error()
        _native.check(_native.lib.p2p_net_new(config, net, told), told)
        assert net.value is not None
        return _native.Handle(net.value)
    finally:
        _native.lib.p2p_config_free(config)
