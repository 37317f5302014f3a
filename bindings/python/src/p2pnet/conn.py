"""A connection of a blocking net: reading waits for what comes, sending for room."""
from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, List, Optional, Tuple

from . import info as _info
from ._router import ANY, AT_ONCE, LINE, MESSAGES, BaseConn
from .constants import EventKind
from .core import Line, octets
from .errors import ClosedError, TimeoutError, WouldBlockError

if TYPE_CHECKING:
    from .net import Net


class Conn(BaseConn):
    """A connection. Times are in seconds; timeout None = wait for ever, 0 = do not wait."""

    _net: "Net"

    def send_line(self, line: Line, timeout: Optional[float] = None) -> None:
        """Sends a line, waiting for room if the peer does not read. TimeoutError: it was not sent."""
        self._send(self._net._core.send_line, octets(line), timeout)

    def send_lines(self, lines: Iterable[Line], timeout: Optional[float] = None) -> None:
        """Sends many lines in their order, for less than as many calls cost. TimeoutError: some were not sent."""
        end = None if timeout is None else time.monotonic() + timeout
        rest, sent = [octets(line) for line in lines], 0
        while sent < len(rest):
            left = None if end is None else max(0.0, end - time.monotonic())
            sent += self._send(self._net._core.send_lines, rest[sent:sent + AT_ONCE], left)

    def send(self, data: Line, timeout: Optional[float] = None) -> None:
        """Sends a message of any bytes, which arrives whole (secure dialect; with framing raw: bytes)."""
        self._send(self._net._core.send, octets(data), timeout)

    def _send(self, function: Callable[[int, Any], Any], data: Any, timeout: Optional[float]) -> Any:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = self._writable
            if self._end is not None:
                raise self._why_closed()
            try:
                return function(self.id, data)
            except WouldBlockError:
                left = None if end is None else end - time.monotonic()
                self._net._until(lambda: self._writable != seen or self.closed, left,
                                 f"{self.peer} has not read what was sent to it")
            except ClosedError:
                self._net.poll()  # CLOSED may wait, with the reason
                raise self._why_closed() from None

    def read_line(self, timeout: Optional[float] = None) -> Any:
        """The next line, as text (as bytes, if the net's encoding is None). ClosedError: there is none and will be none."""
        return self._net._decode(self._read(LINE, timeout)[1])

    def read_message(self, timeout: Optional[float] = None) -> bytes:
        """The next message (or, with framing raw, the next bytes). Lines that have come before it stay."""
        return self._read(MESSAGES, timeout)[1]

    def read(self, timeout: Optional[float] = None) -> Tuple[EventKind, Any]:
        """Whatever comes next: (EventKind.LINE, text), (EventKind.MESSAGE, bytes) or (EventKind.DATA, bytes)."""
        kind, data = self._read(ANY, timeout)
        return kind, self._net._decode(data) if kind == EventKind.LINE else data

    def _read(self, kinds: Tuple[EventKind, ...], timeout: Optional[float]) -> Tuple[EventKind, bytes]:
        if self._queue:  # most often: it is there
            with self._net._changed:
                first = self._first(kinds)
            if first is not None:
                return first
        found: List[Tuple[EventKind, bytes]] = []

        def look() -> bool:
            entry = self._first(kinds)
            if entry is not None:
                found.append(entry)
            elif self.closed:
                raise self._why_closed()
            return entry is not None
        self._net._until(look, timeout, f"nothing has come from {self.peer}")
        return found[0]

    def lines(self) -> Iterator[Any]:
        """All lines to come, until it is closed by either side; raises if it breaks."""
        while True:
            try:
                line = self.read_line()
            except ClosedError:
                if self._is_clean_end():
                    return
                raise
            yield line

    __iter__ = lines

    def waiting_lines(self) -> List[Any]:
        """The lines that are there. Never waits."""
        lines = []
        with contextlib.suppress(ClosedError, TimeoutError):
            while True:
                lines.append(self.read_line(0))
        return lines

    def info(self) -> _info.ConnInfo:
        """Its situation. ClosedError once it is over."""
        if self._end is not None:
            raise self._why_closed()
        return self._net._core.conn_info(self.id)

    def close(self) -> None:
        """Closes it once what is queued is sent. Returns at once; again is fine."""
        self._closing = True
        if not self.closed:
            with contextlib.suppress(ClosedError):
                self._net._core.conn_close(self.id)

    def take_socket(self) -> Tuple[socket.socket, bytes]:
        """Classic dialect: the TCP socket, yours from now on and non-blocking, and the bytes of an unfinished line."""
        return self._net._core.conn_take_socket(self.id)

    def __enter__(self) -> "Conn":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
