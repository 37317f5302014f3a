"""p2pnet: find other copies of your program on the internet and exchange lines of text with them.

Net waits, aio.Net awaits, EventNet leaves the waiting to you. p2pnet.compat has PyP2P's names.
"""
from typing import TYPE_CHECKING, Any

from . import options
from ._native import library_version
from ._router import DhtMessage
from .conn import Conn
from .constants import (VERSION, Allocation, CandidateKind, Classic, Dialect, EventKind, Framing, Fwd, Log, Mainline, Mapping,
                        Nat, NetType, NodeType, Opt, Path, Result, Server, Unsolicited, Via)
from .core import Event, EventNet
from .errors import (CanceledError, ClosedError, ConnectError, Error, InvalidError, IoError, LimitError, PanicError,
                     RefusedError, ResetError, StateError, TimeoutError, UnsupportedError, WouldBlockError)
from .info import Candidate, ConnInfo, NetInfo, Stats, UnlInfo, features, unl_check, unl_info
from .net import Net

if TYPE_CHECKING:
    from . import aio

__version__ = VERSION
__all__ = [
    "Allocation", "CanceledError", "Candidate", "CandidateKind", "Classic", "ClosedError", "Conn", "ConnInfo",
    "ConnectError", "DhtMessage", "Dialect", "Error", "Event", "EventKind", "EventNet", "Framing", "Fwd", "InvalidError",
    "IoError", "LimitError", "Log", "Mainline", "Mapping", "Nat", "Net", "NetInfo", "NetType", "NodeType", "Opt",
    "PanicError", "Path", "RefusedError", "ResetError", "Result", "Server", "StateError", "Stats", "TimeoutError",
    "UnlInfo", "UnsupportedError", "Unsolicited", "VERSION", "Via", "WouldBlockError", "__version__", "aio", "features",
    "library_version", "options", "unl_check", "unl_info",
]


def __getattr__(name: str) -> Any:
    """p2pnet.aio comes with its first use: asyncio takes longer to import than all the rest."""
    if name == "aio":
        import importlib
        return importlib.import_module(".aio", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
