"""What the library tells about nets, connections and locators, as plain values."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple, Type, Union

from . import _native
from .constants import Allocation, CandidateKind, Fwd, Mapping, Nat, NodeType, Path, Unsolicited, Via


def _member(kind: Type[Any], number: int) -> Any:
    """The constant, or the number as it is if a later version made it."""
    try:
        return kind(number)
    except ValueError:
        return number


def _known(number: int) -> Optional[bool]:
    """1, 0 and -1: yes, no, not known."""
    return None if number < 0 else bool(number)


@dataclass(frozen=True)
class NetInfo:
    """A net's situation. None and "" stand for what is not known."""
    node_type: NodeType
    nat: Nat
    reachable: Optional[bool]  #: from outside by IPv4
    passive_port: int  #: that it listens on
    inbound: int
    outbound: int
    lan_ip: str
    wan_ip: str
    forwarding: Fwd  #: how the port came to be open
    external_port: Optional[int]
    mapping: Mapping
    allocation: Allocation
    nat_delta: int
    unsolicited: Unsolicited
    hairpin: Optional[bool]
    double_nat: Optional[bool]
    reachable_v6: Optional[bool]
    clock_offset: Optional[float]  #: seconds: true time minus this system's
    wan_ip6: str


@dataclass(frozen=True)
class Stats:
    """A net's counters since it was made."""
    lines_in: int
    lines_out: int
    bytes_in: int
    bytes_out: int
    duplicates: int
    opened: int
    closed: int
    rejected: int
    log_dropped: int
    events_queued: int


@dataclass(frozen=True)
class ConnInfo:
    """A connection's situation. From rtt on: secure dialect only."""
    via: Via
    inbound: bool
    queued_bytes: int
    unread_bytes: int
    bytes_in: int
    bytes_out: int
    age: float  #: seconds since it was opened
    peer: str
    con_id: str  #: what both ends call it: PyP2P's con_id (classic direct nets)
    peer_id: str  #: the peer's key
    rtt: Optional[float]  #: seconds
    unacked_bytes: int
    resends: int
    resumptions: int
    path: Path
    relay: str  #: by which relay it goes, "host:port"; "" for none


@dataclass(frozen=True)
class Candidate:
    """One address of a node."""
    kind: CandidateKind
    address: str


@dataclass(frozen=True)
class UnlInfo:
    """What a locator says."""
    version: int
    node_type: NodeType
    nat: Nat
    forwarding: Fwd
    mapping: Mapping
    allocation: Allocation
    nat_delta: int
    expires: Optional[int]  #: Unix time
    id: str
    network: str
    candidates: Tuple[Candidate, ...]


def net_info(handle: Any) -> NetInfo:
    c = _native.CNetInfo(struct_size=ctypes.sizeof(_native.CNetInfo))
    _native.check(_native.lib.p2p_net_get_info(handle, c))
    return NetInfo(
        _member(NodeType, c.node_type), _member(Nat, c.nat), _known(c.reachable), c.passive_port, c.inbound, c.outbound,
        _native.text(c.lan_ip), _native.text(c.wan_ip), _member(Fwd, c.forwarding), c.external_port or None,
        _member(Mapping, c.mapping), _member(Allocation, c.allocation), c.nat_delta,
        _member(Unsolicited, c.unsolicited), _known(c.hairpin), _known(c.double_nat), _known(c.reachable_v6),
        c.clock_offset_us / 1e6 if c.clock_known == 1 else None, _native.text(c.wan_ip6))


def stats(handle: Any) -> Stats:
    c = _native.CStats(struct_size=ctypes.sizeof(_native.CStats))
    _native.check(_native.lib.p2p_net_get_stats(handle, c))
    return Stats(**{name: getattr(c, name) for name in Stats.__dataclass_fields__})


def conn_info(handle: Any, conn: int) -> ConnInfo:
    c = _native.CConnInfo(struct_size=ctypes.sizeof(_native.CConnInfo))
    _native.check(_native.lib.p2p_conn_get_info(handle, conn, c))
    return ConnInfo(
        _member(Via, c.via), bool(c.inbound), c.queued_bytes, c.unread_bytes, c.bytes_in, c.bytes_out, c.age_ms / 1e3,
        _native.text(c.peer), _native.text(c.con_id), _native.text(c.peer_id), c.rtt_us / 1e6 if c.rtt_us else None,
        c.unacked_bytes, c.resends, c.resumptions, _member(Path, c.path),
        _native.text(c.relay))


def _locator(unl: Union[str, bytes]) -> bytes:
    if isinstance(unl, bytes):
        return unl
    if not isinstance(unl, str):
        raise TypeError(f"unl is a {type(unl).__name__}; expected a locator as str")
    if "\0" in unl:
        raise ValueError("the locator has a NUL inside; expected the text that unl() gave")
    return unl.encode("utf-8", "surrogateescape")


def unl_info(unl: str) -> UnlInfo:
    """Reads a locator, expired or not. InvalidError says what is wrong with it."""
    c, told = _native.CUnlInfo(struct_size=ctypes.sizeof(_native.CUnlInfo)), _native.new_error()
    _native.check(_native.lib.p2p_unl_get_info(_locator(unl), c, told), told)
    candidates: List[Candidate] = [
        Candidate(_member(CandidateKind, each.kind), _native.text(each.address))
        for each in c.candidates[:min(c.candidate_count, len(c.candidates))]]
    return UnlInfo(
        c.version, _member(NodeType, c.node_type), _member(Nat, c.nat), _member(Fwd, c.forwarding),
        _member(Mapping, c.mapping), _member(Allocation, c.allocation), c.nat_delta, c.expires or None,
        _native.text(c.id), _native.text(c.network), tuple(candidates))


def unl_check(unl: str) -> None:
    """Raises InvalidError, with the reason, unless the locator is whole, signed and not expired."""
    told = _native.new_error()
    _native.check(_native.lib.p2p_unl_check(_locator(unl), told), told)


def features() -> int:
    """What the library can do: Fwd bits of the port mapping protocols that are built in, 1 << 16 HTTP, 1 << 17 BitTorrent's DHT."""
    return int(_native.lib.p2p_features())
