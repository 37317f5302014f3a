"""What goes wrong, as exceptions: each has the library's sentence, its code and the operating system's number.

They are also of the classes that Python programs catch: a refused connection is a ConnectionRefusedError, a value that is not
what an option takes is a ValueError.
"""
from __future__ import annotations

import builtins
from typing import Any, Dict, Optional, Type, Union

from .constants import Result


class Error(Exception):
    """Anything the library refuses or fails at.

    code: what it came to. os_error: the operating system's error number, 0 if none was involved. request: of a request
    that failed its number, for explain(); else None.
    """

    code: Union[Result, int] = Result.INVALID

    def __init__(self, message: str, code: Optional[int] = None, os_error: int = 0,
                 request: Optional[int] = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = _RESULTS.get(code, code)
        self.os_error = os_error
        #: As OSError has it: the operating system's error number, or None.
        self.errno = os_error or None
        self.request = request

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Any:  # so that it can be pickled, as between processes
        return (type(self), (self.message, int(self.code), self.os_error, self.request))


class InvalidError(Error, ValueError):
    """A value is not what the function or option takes; the message says what was expected."""


class StateError(Error, RuntimeError):
    """Not possible now: not started, started twice, another thread is at it."""
    code = Result.STATE


class UnsupportedError(Error, RuntimeError):
    """Something that this net, or this build of the library, does not do."""
    code = Result.UNSUPPORTED


class ClosedError(Error, ConnectionError):
    """The net or the connection is closed: by you, by the peer, or because it broke."""
    code = Result.CLOSED


class WouldBlockError(Error, BlockingIOError):
    """The connection's send buffer is full."""
    code = Result.WOULD_BLOCK


class LimitError(Error, RuntimeError):
    """A limit of the net is reached."""
    code = Result.LIMIT


class TimeoutError(Error, builtins.TimeoutError):  # as in asyncio and socket: also Python's own
    """It took too long."""
    code = Result.TIMEOUT


class CanceledError(Error):
    """The program cancelled it, or stopped the net."""
    code = Result.CANCELED


class ConnectError(Error, ConnectionError):
    """There is no way to the peer: no path, no server, it is this node itself, it broke the protocol."""
    code = Result.NO_PATH


class RefusedError(ConnectError, ConnectionRefusedError):
    """The other side refused the connection."""
    code = Result.REFUSED


class ResetError(ClosedError, ConnectionResetError):
    """The other side broke the connection."""
    code = Result.RESET


class IoError(Error, OSError):
    """The operating system said no."""
    code = Result.IO


class PanicError(Error, RuntimeError):
    """The library failed internally. The program goes on; that net has stopped."""
    code = Result.PANIC


_RESULTS: Dict[int, Result] = {int(r): r for r in Result}
_CLASSES: Dict[int, Type[Error]] = {
    Result.INVALID: InvalidError, Result.RANGE: InvalidError, Result.TOO_LARGE: InvalidError,
    Result.TOO_SMALL: InvalidError, Result.PANIC: PanicError, Result.CLOSED: ClosedError, Result.STATE: StateError,
    Result.BUSY: StateError, Result.REENTRANT: StateError, Result.UNSUPPORTED: UnsupportedError,
    Result.NOT_FOUND: ClosedError, Result.WOULD_BLOCK: WouldBlockError, Result.LIMIT: LimitError,
    Result.SELF: ConnectError, Result.DUPLICATE: ConnectError, Result.TIMEOUT: TimeoutError,
    Result.CANCELED: CanceledError, Result.REFUSED: RefusedError, Result.RESET: ResetError,
    Result.PROTOCOL: ConnectError, Result.NO_PATH: ConnectError, Result.NO_SERVER: ConnectError,
    Result.IO: IoError,
}


def error(code: int, message: str, os_error: int = 0, request: Optional[int] = None) -> Error:
    """The exception for a code; of a later version's codes, Error itself."""
    return _CLASSES.get(code, Error)(message, code, os_error, request)
