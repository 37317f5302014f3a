"""A connection of an asyncio net (p2pnet.aio.Conn)."""
from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterable, Tuple

from . import info as _info
from ._router import ANY, AT_ONCE, LINE, MESSAGES, BaseConn
from .constants import EventKind
from .core import Line, octets
from .errors import ClosedError, WouldBlockError

if TYPE_CHECKING:
    from .aio import Net


class Conn(BaseConn):
    """A connection."""

    _net: "Net"

    async def send_line(self, line: Line) -> None:
        """Sends a line; waits for room if the peer does not read."""
        await self._send(self._net._core.send_line, octets(line))

    async def send_lines(self, lines: Iterable[Line]) -> None:
        """Sends many lines in their order, for less than as many calls cost."""
        rest, sent = [octets(line) for line in lines], 0
        while sent < len(rest):
            sent += await self._send(self._net._core.send_lines, rest[sent:sent + AT_ONCE])

    async def send(self, data: Line) -> None:
        """Sends a message of any bytes, which arrives whole (secure dialect; with framing raw: bytes)."""
        await self._send(self._net._core.send, octets(data))

    async def _send(self, function: Callable[[int, Any], Any], data: Any) -> Any:
        while True:
            seen = self._writable
            if self._end is not None:
                raise self._why_closed()
            try:
                return function(self.id, data)
            except WouldBlockError:
                await self._net._until(self, lambda: self._writable != seen or self.closed)
            except ClosedError:
                self._net._readable()  # CLOSED may wait, with the reason
                raise self._why_closed() from None

    async def read_line(self) -> Any:
        """The next line, as text (as bytes, if the net's encoding is None). ClosedError: there is none and will be none."""
        return self._net._decode((await self._read(LINE))[1])

    async def read_message(self) -> bytes:
        """The next message (or, with framing raw, the next bytes). Lines that have come before it stay."""
        return (await self._read(MESSAGES))[1]

    async def read(self) -> Tuple[EventKind, Any]:
        """Whatever comes next: (EventKind.LINE, text), (EventKind.MESSAGE, bytes) or (EventKind.DATA, bytes)."""
        kind, data = await self._read(ANY)
        return kind, self._net._decode(data) if kind == EventKind.LINE else data

    async def _read(self, kinds: Tuple[EventKind, ...]) -> Tuple[EventKind, bytes]:
        while True:
            entry = self._first(kinds)
            if entry is not None:
                return entry
            if self.closed:
                raise self._why_closed()
            await self._net._wakeup(self)

    async def lines(self) -> AsyncIterator[Any]:
        """All lines to come, until it is closed by either side; raises if it breaks."""
        while True:
            try:
                line = await self.read_line()
            except ClosedError:
                if self._is_clean_end():
                    return
                raise
            yield line

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.lines()

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

    async def wait_closed(self) -> None:
        """Waits until it is over."""
        await self._net._until(self, lambda: self.closed)

    async def take_socket(self) -> Tuple[socket.socket, bytes]:
        """Classic dialect: the TCP socket, yours from now on and non-blocking, and the bytes of an unfinished line."""
        loop = asyncio.get_running_loop()  # it may wait until what was sent is written
        return await loop.run_in_executor(None, self._net._core.conn_take_socket, self.id)

    async def __aenter__(self) -> "Conn":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()
