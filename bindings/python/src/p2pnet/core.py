"""A net as the C library has it: calls that return at once, and events to be taken.

For programs with a loop of their own, and what Net and aio.Net are made of:

    net = p2pnet.EventNet(node_type="passive")
    net.start()
    while net.wait(1 / 60):                 # or select() with net.fileno(), or once a frame: net.events()
        for event in net.events():
            if event.kind is EventKind.LINE:
                net.send_line(event.conn, event.data)

Any thread may call anything; events are taken by one thread at a time.
"""
from __future__ import annotations

import collections
import ctypes
import json
import select
import socket
import struct
import threading
import time
from ctypes import c_int32, c_size_t, c_ssize_t, c_uint32, c_uint64
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from . import _native, options
from . import info as _info
from .constants import Classic, EventKind, Result
from .errors import ClosedError, error

_rows_of = struct.Struct(_native.EVENT_FORMAT).iter_unpack
_size = struct.calcsize(_native.EVENT_FORMAT)
_string_at = ctypes.string_at
_next_events = _native.quick.p2p_next_events
#: How many events are asked of the library at a time: a call of C costs several times what an event does.
_AT_ONCE = 128
_send_line, _send = _native.quick.p2p_send_line, _native.quick.p2p_send
_KINDS: Dict[int, EventKind] = {int(k): k for k in EventKind}
_RESULTS: Dict[int, Result] = {int(r): r for r in Result}
_OPENED, _CLOSED, _STOPPED = int(EventKind.OPENED), int(EventKind.CLOSED), int(EventKind.STOPPED)
_INPUT = frozenset(map(int, (EventKind.LINE, EventKind.MESSAGE, EventKind.DATA)))
Line = Union[str, bytes, bytearray, memoryview]


class Event:
    """What happened. Which fields mean something depends on the kind; the header tells.

    kind: EventKind (a number if a later version made it). conn, request: numbers, 0 = none. result: Result. data: bytes;
    text: the same as str. peer: "ip:port" or a name in the DHT. code: a number. time_ms: since the net was made.
    """

    __slots__ = ("kind", "conn", "request", "result", "os_error", "code", "data", "peer", "time_ms")

    def __init__(self, kind: Any, conn: int, request: int, result: Any, os_error: int, code: int, data: bytes, peer: str,
                 time_ms: int) -> None:
        self.kind, self.conn, self.request, self.result = kind, conn, request, result
        self.os_error, self.code, self.data, self.peer, self.time_ms = os_error, code, data, peer, time_ms

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")

    def __repr__(self) -> str:
        kind = getattr(self.kind, "name", self.kind)
        return (f"<Event {kind} conn={self.conn} request={self.request} result={self.result!r} peer={self.peer!r} "
                f"data={self.data[:80]!r}>")


def octets(line: Line) -> bytes:
    """The bytes of a line or message. Text becomes UTF-8; what the peer sent that was none comes back as it was."""
    if isinstance(line, str):
        return line.encode("utf-8", "surrogateescape")
    if isinstance(line, bytes):
        return line
    if isinstance(line, (bytearray, memoryview)):
        return bytes(line)
    raise TypeError(f"a line is text or bytes, not {type(line).__name__}")


class EventNet:
    """One node. Options are keyword arguments (p2pnet.options). It opens nothing before start()."""

    def __init__(self, **opts: Any) -> None:
        self._handle: Optional[_native.Handle] = None
        self._fd: Optional[int] = None
        self._started = self._over = False
        self._peers: Dict[int, str] = {}  # of the open connections
        # What the library was asked for ahead. While there is something here it says that events wait (fileno()), as it does until
        # a call of p2p_next_events() gives none.
        self._ahead: Deque[Event] = collections.deque()
        self._array: Any = None
        self._asking = threading.RLock()
        self._asks = False
        self._handle = options.new_net(opts)
        _native.open_nets.add(self)

    # Every call gives self._handle itself to C, which so lives until the call returns; None is refused there.

    def _check(self, code: int, told: Any = None) -> int:
        if code >= 0:
            return code
        self._open()
        return _native.check(code, told)

    def _open(self) -> _native.Handle:
        """The handle, or the error that there is none."""
        handle = self._handle
        if handle is None:
            raise ClosedError("the net is closed")
        if handle._as_parameter_ is None:
            raise ClosedError("the net is of the parent process; after fork() make one of your own")
        return handle

    @property
    def closed(self) -> bool:
        return self._handle is None

    # Its life.

    def start(self) -> None:
        """Opens the listening sockets and starts the library's thread; READY follows."""
        told = _native.new_error()
        self._check(_native.lib.p2p_net_start(self._handle, told), told)
        self._started = True

    def stop(self) -> None:
        """Begins to stop and returns at once; STOPPED is the last event."""
        self._check(_native.lib.p2p_net_stop(self._handle))

    def close(self) -> None:
        """Stops if need be, waits for the end (bounded: close_timeout_ms twice and a second) and frees. Again is fine."""
        handle, self._handle = self._handle, None
        _native.open_nets.discard(self)
        self._ahead.clear()
        if handle is not None:
            _native.lib.p2p_net_stop(handle)
        # Freed here, by the last reference going; if another thread is in a call, when that one returns.

    def __enter__(self) -> "EventNet":
        if not self._started:
            self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # Events.

    def next_event(self) -> Optional[Event]:
        """Takes the next event; None if there is none now."""
        handle = self._handle
        if handle is None or handle._as_parameter_ is None:
            handle = self._open()
        try:
            return self._ahead.popleft() if self._ahead or self._ask(handle) else None
        except IndexError:
            return None  # another thread has taken it

    def _ask(self, handle: _native.Handle) -> bool:
        """Takes events from the library. The net lives meanwhile: its handle is held."""
        with self._asking:
            if self._ahead:
                return True
            if self._asks:  # by a signal's handler, or a finalizer
                raise error(Result.REENTRANT, "events are being taken by what this has interrupted")
            self._asks = True
            try:
                if self._array is None:
                    self._array = (_native.CEvent * _AT_ONCE)()
                    self._array[0].struct_size = _size
                count = _next_events(handle, self._array, _AT_ONCE)
                if count <= 0:
                    self._check(count)
                    return False
                self._ahead.extend(map(self._event, _rows_of(memoryview(self._array).cast("B")[:count * _size])))
                return True
            finally:
                self._asks = False

    def _event(self, row: Tuple[int, ...]) -> Event:
        """Of p2p_event."""
        _, kind, conn, request, result, os_error, number, _, data, length, peer, _, when = row
        # What comes in on a connection has its address, which OPENED has told: reading it each time takes longer.
        known = self._peers.get(conn) if kind in _INPUT else None
        event = Event(_KINDS.get(kind, kind), conn, request, _RESULTS.get(result, result), os_error, number,
                      _string_at(data, length) if length else b"", known or _string_at(peer).decode("utf-8", "replace"), when)
        if kind == _OPENED:
            self._peers[conn] = event.peer
        elif kind == _CLOSED:
            self._peers.pop(conn, None)
        elif kind == _STOPPED:
            self._over = True
        return event

    def events(self, limit: int = 0) -> Iterator[Event]:
        """Takes the events that wait, at most limit (0 = all). Never blocks."""
        taken = 0
        while limit == 0 or taken < limit:
            event = self.next_event()
            if event is None:
                return
            taken += 1
            yield event

    def fileno(self) -> int:
        """A descriptor that is readable while events wait, for select() and event loops. Never read it or close it."""
        if self._fd is None:
            fd = c_ssize_t()
            self._check(_native.lib.p2p_fd(self._handle, fd))
            self._fd = fd.value
        self._open()
        return self._fd

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Sleeps until events wait, or for so many seconds (None = for ever). False once STOPPED has been taken.

        After the time it is True as well: look for events. Ctrl-C ends it, as it ends time.sleep().
        """
        handle = self._open()  # held meanwhile
        if self._over and not self._ahead:
            return False
        sleep(self.fileno(), timeout)
        del handle
        return True

    # Requests: numbers; DONE tells how each ended.

    def _request(self, function: Any, *arguments: Any) -> int:
        request, told = c_uint64(), _native.new_error()
        self._check(function(self._handle, *arguments, request, told), told)
        return int(request.value)

    def bootstrap(self) -> int:
        """Asks the rendezvous servers for nodes and connects to them. DONE's code: how many were named."""
        return self._request(_native.lib.p2p_net_bootstrap)

    def advertise(self) -> int:
        """Has this node listed at the rendezvous servers."""
        return self._request(_native.lib.p2p_net_advertise)

    def connect(self, host_port: str) -> int:
        """Connects to "host:port"."""
        return self._request(_native.lib.p2p_connect, options.text("host_port", host_port), None, None)

    def unl_connect(self, unl: str) -> int:
        """Connects to the node with that locator by whatever way works."""
        return self._request(_native.lib.p2p_unl_connect, options.text("unl", unl), None, None)

    def unl_connect_classic(self, unl: str, nonce: Optional[str] = None, flags: int = Classic.DEFAULT) -> int:
        """unl_connect() with PyP2P's choices: nonce (64 hexadecimal digits) and Classic bits."""
        chosen = None if nonce is None else options.text("nonce", nonce)
        return self._request(_native.lib.p2p_unl_connect_classic, options.text("unl", unl), chosen, int(flags), None, None)

    def dht_put(self, to: str, message: Line) -> int:
        """Sends a message to the node `to`, 40 hexadecimal digits; there it is DHT_MESSAGE."""
        data = octets(message)
        return self._request(_native.lib.p2p_dht_put, options.text("to", to), data, len(data))

    def cancel(self, request: int) -> None:
        """Gives a request up."""
        self._check(_native.lib.p2p_cancel(self._handle, request))

    # Connections, by their numbers.

    def send_line(self, conn: int, line: Line) -> None:
        """Sends a line. WouldBlockError: nothing was taken, WRITABLE follows."""
        data = octets(line)
        code = _send_line(self._handle, conn, data, len(data))
        if code < 0:
            self._check(code)

    def send_lines(self, conn: int, lines: Sequence[Line]) -> int:
        """Sends lines in one call, in their order, and gives how many were taken. If none was, the first one's error is raised:
        WouldBlockError (WRITABLE follows), InvalidError, ..."""
        every = [octets(line) for line in lines]
        array = (_native.CLine * len(every))(*[(line, len(line)) for line in every])
        sent = c_size_t()
        code = _native.lib.p2p_send_lines(self._handle, conn, array, len(every), sent)
        if code < 0 and not sent.value:
            self._check(code)
        return int(sent.value)

    def send(self, conn: int, data: Line) -> None:
        """Sends a message (secure dialect), or bytes (framing raw)."""
        data = octets(data)
        code = _send(self._handle, conn, data, len(data))
        if code < 0:
            self._check(code)

    def broadcast_line(self, line: Line, but: int = 0) -> int:
        """Sends a line to every connection but one, and gives how many took it. Those without room are left out."""
        data, sent = octets(line), c_uint32()
        code = _native.lib.p2p_broadcast_line(self._handle, data, len(data), but, sent)
        if code != Result.WOULD_BLOCK:
            self._check(code)
        return int(sent.value)

    def conn_close(self, conn: int) -> None:
        """Closes a connection once what is queued is sent."""
        self._check(_native.lib.p2p_conn_close(self._handle, conn))

    def conns(self) -> List[int]:
        """The open connections, oldest first."""
        room, count = 64, c_size_t()
        while True:
            ids = (c_uint64 * room)()
            code = _native.lib.p2p_conn_list(self._handle, ids, room, count)
            if code != Result.TOO_SMALL:
                self._check(code)
                return list(ids[:count.value])
            room = count.value

    def conn_info(self, conn: int) -> _info.ConnInfo:
        """A connection's situation."""
        self._open()
        return _info.conn_info(self._handle, conn)

    def conn_take_socket(self, conn: int) -> Tuple[socket.socket, bytes]:
        """Takes over the socket of a classic connection, and the bytes of its unfinished line. It does not block."""
        fd, length = c_int32(-1), c_size_t()
        room = 4096
        while True:
            buffer = ctypes.create_string_buffer(room)
            code = _native.lib.p2p_conn_take_fd(self._handle, conn, fd, buffer, room, length)
            if code != Result.TOO_SMALL or length.value <= room:
                break
            room = length.value
        self._check(code)
        taken = socket.socket(fileno=fd.value)
        taken.setblocking(False)
        return taken, buffer.raw[:length.value]

    # What it knows.

    def _text(self, function: Callable[..., int], *arguments: Any, room: int = 1024, told: Any = None) -> str:
        """A text that the library writes into a buffer, made larger until it fits."""
        need = c_size_t()
        while True:
            buffer = ctypes.create_string_buffer(room)
            last = (told,) if told is not None else ()
            code = function(self._handle, *arguments, buffer, room, need, *last)
            if code != Result.TOO_SMALL:
                self._check(code, told)
                return buffer.value.decode("utf-8", "replace")
            room = need.value + 256

    def unl(self, **changes: Any) -> str:
        """This node's locator, with some of its facts replaced: unl(wan_ip="203.0.113.7", listen_port=44444).

        Several of a kind (candidate, server) as a list.
        """
        if not changes:
            return self._text(_native.lib.p2p_unl_get)
        told, texts = _native.new_error(), []
        for name, value in changes.items():
            for each in value if isinstance(value, (list, tuple)) else [value]:
                texts.append(options.text(name, f"{name}={each}"))
        pointers = (ctypes.c_char_p * len(texts))(*texts)
        return self._text(_native.lib.p2p_unl_construct, pointers, len(texts), told=told)

    def explain(self, request: int) -> Dict[str, Any]:
        """The story of an unl_connect(); docs/explain.md has its members."""
        story: Dict[str, Any] = json.loads(self._text(_native.lib.p2p_explain, request, room=16384))
        return story

    def report(self) -> Dict[str, Any]:
        """The story behind info(); docs/doctor.md has its members."""
        story: Dict[str, Any] = json.loads(self._text(_native.lib.p2p_net_report, room=16384))
        return story

    def info(self) -> _info.NetInfo:
        """The net's situation: type, NAT, addresses."""
        self._open()
        return _info.net_info(self._handle)

    def stats(self) -> _info.Stats:
        """The net's counters."""
        self._open()
        return _info.stats(self._handle)

    def network_changed(self) -> None:
        """Says that the machine's network is another one now."""
        told = _native.new_error()
        self._check(_native.lib.p2p_network_changed(self._handle, told), told)

    def dht_id(self) -> str:
        """This node's name for messages, 40 hexadecimal digits."""
        buffer = ctypes.create_string_buffer(64)
        self._check(_native.lib.p2p_dht_get_id(self._handle, buffer, len(buffer), None))
        return buffer.value.decode("ascii")

    def dht_deliver(self, sender: str, message: Line) -> None:
        """Hands in a message for this node that came over the program's own DHT (option dht)."""
        data = octets(message)
        self._check(_native.lib.p2p_dht_deliver(self._handle, options.text("sender", sender), data, len(data)))


if hasattr(select, "poll"):
    def sleep(fd: int, timeout: Optional[float]) -> bool:
        """Waits until the descriptor is readable, or for so many seconds; whether it is. Ctrl-C ends it."""
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        if timeout is None:
            return bool(waiting.poll())
        # In pieces, as poll() takes milliseconds of 31 bits.
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if waiting.poll(min(max(0.0, left) * 1000, 1e9)):
                return True
            if left <= 1e6:
                return False
else:  # Windows, where it is a socket
    def sleep(fd: int, timeout: Optional[float]) -> bool:
        """Waits until the descriptor is readable, or for so many seconds; whether it is."""
        return bool(select.select([fd], [], [], timeout)[0])
