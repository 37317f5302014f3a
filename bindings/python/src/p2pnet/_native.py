"""The C library: where it is, its functions and structs, and the handle of a net.

By ctypes, which is part of Python: nothing is compiled, neither here nor where the package is installed, and one wheel serves
every Python. Calls that may take a while release the GIL (`lib`); those that a program makes for each line, which never wait,
keep it (`quick`), as giving it up and getting it back costs more than they do. No function of Python's is ever given to C: events
are pulled, so no thread of the library's runs Python code.
"""
from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import os
import sys
import weakref
from ctypes import POINTER, c_char, c_char_p, c_int32, c_int64, c_size_t, c_ssize_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, List, Optional

from .constants import ADDR_LEN, CON_ID_LEN, HOST_LEN, UNL_CANDIDATES, VERSION
from .errors import error

if sys.platform == "darwin":
    _FILE, _SONAME = "libp2pnet.dylib", "libp2pnet.0.dylib"
elif sys.platform == "win32":
    _FILE, _SONAME = "p2pnet.dll", "p2pnet.dll"
else:
    _FILE, _SONAME = "libp2pnet.so", "libp2pnet.so.0"


class CError(ctypes.Structure):
    """p2p_error"""
    _fields_ = [("struct_size", c_uint32), ("code", c_int32), ("os_error", c_int32), ("message", c_char * 244)]


class CNetInfo(ctypes.Structure):
    """p2p_net_info"""
    _fields_ = [
        ("struct_size", c_uint32), ("node_type", c_int32), ("nat", c_int32), ("reachable", c_int32),
        ("passive_port", c_uint32), ("inbound", c_uint32), ("outbound", c_uint32), ("reserved", c_uint32),
        ("lan_ip", c_char * ADDR_LEN), ("wan_ip", c_char * ADDR_LEN), ("forwarding", c_int32),
        ("external_port", c_uint32), ("mapping", c_int32), ("allocation", c_int32), ("nat_delta", c_int32),
        ("unsolicited", c_int32), ("hairpin", c_int32), ("double_nat", c_int32), ("reachable_v6", c_int32),
        ("clock_known", c_int32), ("clock_offset_us", c_int64), ("wan_ip6", c_char * ADDR_LEN)]


class CStats(ctypes.Structure):
    """p2p_stats"""
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32)] + [
        (name, c_uint64) for name in ("lines_in", "lines_out", "bytes_in", "bytes_out", "duplicates", "opened",
                                      "closed", "rejected", "log_dropped", "events_queued")]


class CConnInfo(ctypes.Structure):
    """p2p_conn_info"""
    _fields_ = [
        ("struct_size", c_uint32), ("via", c_int32), ("inbound", c_int32), ("reserved", c_uint32),
        ("queued_bytes", c_uint64), ("unread_bytes", c_uint64), ("bytes_in", c_uint64), ("bytes_out", c_uint64),
        ("age_ms", c_uint64), ("peer", c_char * ADDR_LEN), ("con_id", c_char * CON_ID_LEN),
        ("peer_id", c_char * ADDR_LEN), ("rtt_us", c_uint64), ("unacked_bytes", c_uint64), ("resends", c_uint64),
        ("resumptions", c_uint64), ("path", c_int32), ("reserved2", c_uint32), ("relay", c_char * HOST_LEN)]


class CCandidate(ctypes.Structure):
    """p2p_candidate"""
    _fields_ = [("kind", c_int32), ("address", c_char * ADDR_LEN)]


class CUnlInfo(ctypes.Structure):
    """p2p_unl_info"""
    _fields_ = [
        ("struct_size", c_uint32), ("version", c_uint32), ("node_type", c_int32), ("nat", c_int32),
        ("forwarding", c_int32), ("mapping", c_int32), ("allocation", c_int32), ("nat_delta", c_int32),
        ("expires", c_int64), ("id", c_char * ADDR_LEN), ("network", c_char * ADDR_LEN),
        ("candidate_count", c_uint32), ("reserved", c_uint32), ("candidates", CCandidate * UNL_CANDIDATES)]


class CEvent(ctypes.Structure):
    """p2p_event. Not read by its fields, which is slow, but by EVENT_FORMAT."""
    _fields_ = [
        ("struct_size", c_uint32), ("kind", c_int32), ("conn", c_uint64), ("request", c_uint64), ("result", c_int32),
        ("os_error", c_int32), ("code", c_int32), ("reserved", c_uint32), ("data", c_void_p), ("len", c_size_t),
        ("peer", c_void_p), ("conn_user", c_void_p), ("time_ms", c_uint64)]


#: p2p_event for the module struct: the same fields.
EVENT_FORMAT = "@IiQQiiiIPNPPQ"


class CLine(ctypes.Structure):
    """p2p_line"""
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class CDht(ctypes.Structure):
    """p2p_dht"""
    _fields_ = [("struct_size", c_uint32), ("node_id", c_char_p), ("send", c_void_p), ("user", c_void_p)]


_ERR, _REQ, _LEN = POINTER(CError), POINTER(c_uint64), POINTER(c_size_t)
#: name: (result, arguments). A callback is a c_void_p that is always NULL.
PROTOTYPES = {
    "p2p_version": (c_uint32, []),
    "p2p_strerror": (c_char_p, [c_int32]),
    "p2p_features": (c_uint64, []),
    "p2p_config_new": (c_void_p, []),
    "p2p_config_free": (None, [c_void_p]),
    "p2p_config_set_int": (c_int32, [c_void_p, c_int32, c_int64, _ERR]),
    "p2p_config_get_int": (c_int32, [c_void_p, c_int32, POINTER(c_int64), _ERR]),
    "p2p_config_set_str": (c_int32, [c_void_p, c_int32, c_char_p, _ERR]),
    "p2p_config_add_server": (c_int32, [c_void_p, c_int32, c_char_p, _ERR]),
    "p2p_config_allow_peer": (c_int32, [c_void_p, c_char_p, _ERR]),
    "p2p_config_set_dht": (c_int32, [c_void_p, POINTER(CDht), _ERR]),
    "p2p_net_new": (c_int32, [c_void_p, POINTER(c_void_p), _ERR]),
    "p2p_net_start": (c_int32, [c_void_p, _ERR]),
    "p2p_net_bootstrap": (c_int32, [c_void_p, _REQ, _ERR]),
    "p2p_net_advertise": (c_int32, [c_void_p, _REQ, _ERR]),
    "p2p_connect": (c_int32, [c_void_p, c_char_p, c_void_p, c_void_p, _REQ, _ERR]),
    "p2p_cancel": (c_int32, [c_void_p, c_uint64]),
    "p2p_network_changed": (c_int32, [c_void_p, _ERR]),
    "p2p_net_stop": (c_int32, [c_void_p]),
    "p2p_net_free": (c_int32, [c_void_p]),
    "p2p_net_get_info": (c_int32, [c_void_p, POINTER(CNetInfo)]),
    "p2p_net_get_stats": (c_int32, [c_void_p, POINTER(CStats)]),
    "p2p_net_report": (c_int32, [c_void_p, c_char_p, c_size_t, _LEN]),
    "p2p_on_event": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "p2p_poll": (c_int32, [c_void_p, c_uint32]),
    "p2p_next_event": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "p2p_event_free": (None, [c_void_p]),
    "p2p_next_events": (c_int32, [c_void_p, c_void_p, c_uint32]),
    "p2p_wait": (c_int32, [c_void_p, c_int32]),
    "p2p_wake": (c_int32, [c_void_p]),
    "p2p_fd": (c_int32, [c_void_p, POINTER(c_ssize_t)]),
    "p2p_send_line": (c_int32, [c_void_p, c_uint64, c_char_p, c_size_t]),
    "p2p_send_lines": (c_int32, [c_void_p, c_uint64, POINTER(CLine), c_size_t, _LEN]),
    "p2p_send": (c_int32, [c_void_p, c_uint64, c_char_p, c_size_t]),
    "p2p_broadcast_line": (c_int32, [c_void_p, c_char_p, c_size_t, c_uint64, POINTER(c_uint32)]),
    "p2p_conn_close": (c_int32, [c_void_p, c_uint64]),
    "p2p_conn_pause": (c_int32, [c_void_p, c_uint64, c_int32]),
    "p2p_conn_take_fd": (c_int32, [c_void_p, c_uint64, POINTER(c_int32), c_char_p, c_size_t, _LEN]),
    "p2p_conn_list": (c_int32, [c_void_p, POINTER(c_uint64), c_size_t, _LEN]),
    "p2p_conn_get_info": (c_int32, [c_void_p, c_uint64, POINTER(CConnInfo)]),
    "p2p_conn_set_user": (c_int32, [c_void_p, c_uint64, c_void_p]),
    "p2p_conn_get_user": (c_void_p, [c_void_p, c_uint64]),
    "p2p_unl_get": (c_int32, [c_void_p, c_char_p, c_size_t, _LEN]),
    "p2p_unl_construct": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t, c_char_p, c_size_t, _LEN, _ERR]),
    "p2p_unl_check": (c_int32, [c_char_p, _ERR]),
    "p2p_unl_get_info": (c_int32, [c_char_p, POINTER(CUnlInfo), _ERR]),
    "p2p_unl_connect": (c_int32, [c_void_p, c_char_p, c_void_p, c_void_p, _REQ, _ERR]),
    "p2p_unl_connect_classic": (c_int32, [c_void_p, c_char_p, c_char_p, c_int32, c_void_p, c_void_p, _REQ, _ERR]),
    "p2p_explain": (c_int32, [c_void_p, c_uint64, c_char_p, c_size_t, _LEN]),
    "p2p_dht_get_id": (c_int32, [c_void_p, c_char_p, c_size_t, _LEN]),
    "p2p_dht_put": (c_int32, [c_void_p, c_char_p, c_char_p, c_size_t, _REQ, _ERR]),
    "p2p_dht_deliver": (c_int32, [c_void_p, c_char_p, c_char_p, c_size_t]),
}
_QUICK = ["p2p_next_events", "p2p_send_line", "p2p_send", "p2p_strerror"]


def _places() -> List[str]:
    """Where to look: the path that the program's user gives, the package, the system."""
    given = os.environ.get("P2PNET_LIBRARY")
    if given:
        return [given]
    inside = Path(__file__).resolve().parent / _FILE
    return ([str(inside)] if inside.exists() else []) + [_SONAME]


def _load() -> str:
    """Loads the library and gives its path."""
    told = []
    for place in _places():
        try:
            ctypes.CDLL(place)
            return place
        except OSError as why:
            told.append(str(why))
    raise ImportError(f"libp2pnet cannot be loaded: {'; '.join(told)}. Expected it in the package (a wheel has it), or "
                      f"installed as {_SONAME}, or named by the environment variable P2PNET_LIBRARY.")


def _declare(library: Any, names: Any) -> Any:
    for name in names:
        function = getattr(library, name)
        function.restype, function.argtypes = PROTOTYPES[name]
    return library


#: The file that was loaded.
path = _load()
lib = _declare(ctypes.CDLL(path), PROTOTYPES)
quick = _declare(ctypes.PyDLL(path), _QUICK)
library_version = "{}.{}.{}".format(lib.p2p_version() >> 16, lib.p2p_version() >> 8 & 255, lib.p2p_version() & 255)
if library_version.split(".")[:2] != VERSION.split(".")[:2]:
    raise ImportError(f"{path} is version {library_version}; this package is for {VERSION}")

_living: "weakref.WeakSet[Handle]" = weakref.WeakSet()


class Handle:
    """A p2p_net, freed with the last reference to it.

    Each call is given the handle itself, and so holds it until it returns: nothing is freed under a call, whatever is closed,
    dropped or collected meanwhile, on whichever thread and in whichever order.
    """

    __slots__ = ("_as_parameter_", "_pid", "__weakref__")

    def __init__(self, net: int) -> None:
        self._as_parameter_: Optional[int] = net
        self._pid = os.getpid()
        _living.add(self)

    def __del__(self, _free: Any = lib.p2p_net_free, _getpid: Any = os.getpid) -> None:
        net, self._as_parameter_ = self._as_parameter_, None
        if net is not None and self._pid == _getpid():
            _free(net)


def _forget_after_fork() -> None:
    """In a forked child nets are of no use: their threads are not there. Calls say so instead of waiting for them."""
    for handle in list(_living):
        handle._as_parameter_ = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)

#: Nets (core.EventNet) that have not been closed.
open_nets: "weakref.WeakSet[Any]" = weakref.WeakSet()


@atexit.register
def _close_at_exit() -> None:
    """What a program has not closed is stopped in order: it sends what is queued and leaves the servers' lists."""
    for net in list(open_nets):
        net.close()


def new_error() -> CError:
    return CError(struct_size=ctypes.sizeof(CError))


def text(octets: bytes) -> str:
    """The library's texts are UTF-8."""
    return octets.decode("utf-8", "replace")


def check(code: int, told: Optional[CError] = None) -> int:
    """Gives the result of a call, or raises what it says."""
    if code >= 0:
        return code
    if told is not None and told.message:
        raise error(code, text(told.message), told.os_error)
    raise error(code, text(quick.p2p_strerror(code)))
