"""Where each event goes: to its connection, to whoever waits for a request, to a queue of the net. No waiting in here.

The blocking and the asyncio net share this. They take events from the core, give them to `route`, and wake who waits; all
under one lock, or in one event loop.
"""
from __future__ import annotations

import collections
import logging
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Set, Tuple, Type, Union

from .constants import EventKind, Log, Path, Result, Via
from .core import Event, EventNet
from .errors import ClosedError, Error, error
from .info import ConnInfo

log = logging.getLogger("p2pnet")
_LEVELS: Dict[int, int] = {Log.ERROR: logging.ERROR, Log.WARN: logging.WARNING, Log.INFO: logging.INFO,
                           Log.DEBUG: logging.DEBUG, Log.TRACE: logging.DEBUG}
#: So many lines are given to the library in one call.
AT_ONCE = 1024
#: What an entry of a queue costs besides its bytes, about.
ENTRY = 100


class DhtMessage(NamedTuple):
    """A message that another program has sent by dht_put(). Nobody has checked the sender."""
    sender: str
    text: str


class Pending:
    """A request under way, and then how it ended."""

    __slots__ = ("number", "done")

    def __init__(self, number: int) -> None:
        self.number = number
        self.done: Optional[Event] = None

    def outcome(self) -> Event:
        """The DONE event, or what went wrong."""
        assert self.done is not None
        if self.done.result != Result.OK:
            raise error(self.done.result, self.done.text, self.done.os_error, self.done.request)
        return self.done


class BaseConn:
    """What a connection is in both nets. Made by the net."""

    def __init__(self, net: Any, number: int, peer: str, info: Optional[ConnInfo], request: int) -> None:
        self._net, self.id, self.peer = net, number, peer
        #: Whether the peer opened it; how it came to be; the peer's key (secure dialect). As it was opened.
        self.inbound = bool(info and info.inbound)
        self.via: Optional[Via] = info.via if info else None
        self.peer_id = info.peer_id if info else ""
        #: What both ends call it: PyP2P's con_id (classic direct nets).
        self.con_id = info.con_id if info else ""
        #: What was last heard of the link that carries it.
        self.path: Path = Path.FIRST
        self._request = request
        self._queue: Deque[Tuple[EventKind, bytes]] = collections.deque()
        self._writable = 0  # how often WRITABLE has come
        self._end: Optional[Event] = None
        self._closing = False

    @property
    def net(self) -> Any:
        """The net that it belongs to."""
        return self._net

    @property
    def closed(self) -> bool:
        """Whether it is over. What had arrived before can still be read."""
        return self._end is not None or bool(self._net.closed)

    @property
    def close_reason(self) -> Optional[Error]:
        """Why it is over, as an exception with code and sentence (code CLOSED: the peer closed it); None while it lives.

        Secure dialect: `unacked` of it is how many lines and messages that you sent may not have arrived.
        """
        if self._end is None:
            return ClosedError("the net is closed") if self._net.closed else None
        why = error(self._end.result, self._end.text, self._end.os_error)
        setattr(why, "unacked", self._end.code)
        return why

    def _why_closed(self) -> Error:
        """What reading or writing raises now."""
        why = self.close_reason
        if why is None:
            return ClosedError("the connection is closed")
        if isinstance(why, ClosedError):
            return why
        # Whatever broke it: for the one who reads or writes it is closed.
        closed = ClosedError(str(why), why.code, why.os_error) if why.code != Result.OK else ClosedError(
            "you have closed this connection")
        closed.__cause__ = why if why.code != Result.OK else None
        return closed

    def _is_clean_end(self) -> bool:
        """Whether somebody has closed it, rather than that it broke."""
        return self._net.closed or self._end is not None and self._end.result in (Result.OK, Result.CLOSED)

    def _first(self, kinds: Tuple[EventKind, ...]) -> Optional[Tuple[EventKind, bytes]]:
        """Takes the first of what has come that is of these kinds."""
        queue = self._queue
        for at, entry in enumerate(queue):
            if entry[0] in kinds:
                if at == 0:
                    queue.popleft()
                else:
                    del queue[at]
                self._net._router.taken(len(entry[1]))
                return entry
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {'closed ' if self.closed else ''}{self.peer}>"


LINE, MESSAGES, ANY = (EventKind.LINE,), (EventKind.MESSAGE, EventKind.DATA), (
    EventKind.LINE, EventKind.MESSAGE, EventKind.DATA)


class Router:
    """The state of a net as its events tell it."""

    def __init__(self, net: Any, core: EventNet, conn_class: Type[Any], wake: Callable[[Any], None],
                 on_room: Callable[[], None], max_unread: int, carry: Optional[Callable[[str, str], Any]],
                 on_info: Optional[Callable[[], Any]]) -> None:
        self.net, self.core, self.conn_class, self.wake, self.on_room = net, core, conn_class, wake, on_room
        self.max_unread, self.carry, self.on_info = max_unread, carry, on_info
        self.conns: Dict[int, Any] = {}
        self.pending: Dict[int, Pending] = {}
        self.abandoned: Set[int] = set()
        self.accepted: Deque[Any] = collections.deque()
        self.dht: Deque[DhtMessage] = collections.deque()
        self.carried: List[Tuple[str, str]] = []  # for the net to give to carry, with no lock held
        self.infos = 0  # INFO events for on_info, the same way
        self.ready = False
        self.stopped: Optional[Event] = None
        self.unread = 0
        self._is_full = self._told_full = False

    def full(self) -> bool:
        """Whether so much is unread that no more is taken: the peers are slowed down instead."""
        if self.unread <= self.max_unread:
            return False
        self._is_full = True
        if not self._told_full:
            self._told_full = True  # once; it may come and go
            most = max(self.conns.values(), key=lambda c: sum(len(data) for _, data in c._queue), default=None)
            log.warning("%d bytes that have come are not read, most of %s; no more is taken until the program reads",
                        self.unread, most)
        return True

    def taken(self, length: int) -> None:
        """The program has read something."""
        self.unread -= length + ENTRY
        if self._is_full and self.unread <= self.max_unread:
            self._is_full = False
            self.on_room()

    def begin(self, number: int) -> Pending:
        pending = self.pending[number] = Pending(number)
        return pending

    def abandon(self, pending: Pending) -> None:
        """Nobody waits for it any more: it is cancelled, and a connection that comes of it all the same is closed."""
        if pending.done is not None:
            self._close_unwanted(pending.done)
        elif self.pending.pop(pending.number, None) is not None and self.stopped is None:
            self.abandoned.add(pending.number)
            try:
                self.core.cancel(pending.number)
            except Error:
                pass  # it is done, or the net is closed

    def _close_unwanted(self, done: Event) -> None:
        conn = self.conns.get(done.conn)
        if done.result == Result.OK and conn is not None and conn._request == done.request:
            try:
                self.core.conn_close(conn.id)
            except Error:
                pass

    def route(self, event: Event) -> None:
        """Puts an event where it belongs and wakes who may wait for it."""
        kind = event.kind
        if kind in ANY:
            conn = self.conns.get(event.conn)
            if conn is not None:
                conn._queue.append((kind, event.data))
                self.unread += len(event.data) + ENTRY
                self.wake(conn)
        elif kind == EventKind.OPENED:
            self._opened(event)
        elif kind == EventKind.CLOSED:
            conn = self.conns.pop(event.conn, None)
            if conn is not None:
                conn._end = event
                self.wake(conn)
        elif kind == EventKind.WRITABLE:
            conn = self.conns.get(event.conn)
            if conn is not None:
                conn._writable += 1
                self.wake(conn)
        elif kind == EventKind.DONE:
            self._done(event)
        elif kind == EventKind.PATH:
            conn = self.conns.get(event.conn)
            if conn is not None:
                conn.path, conn.peer = event.code, event.peer or conn.peer
        elif kind == EventKind.LOG:
            log.log(_LEVELS.get(event.code, logging.WARNING), "%s", event.text)
        elif kind == EventKind.READY:
            self.ready = True
            self.wake(self)
        elif kind == EventKind.INFO:
            self.infos += 1
        elif kind == EventKind.STOPPED:
            self.stopped = event
            self.abandoned.clear()
            self.wake(self)
            for each in list(self.conns.values()):
                self.wake(each)
        elif kind == EventKind.DHT_MESSAGE:
            self.dht.append(DhtMessage(event.peer, event.text))
            self.wake(self)
        elif kind == EventKind.DHT_SEND:
            self.carried.append((event.peer, event.text))

    def _opened(self, event: Event) -> None:
        try:
            info: Optional[ConnInfo] = self.core.conn_info(event.conn)
        except Error:  # the net was closed meanwhile
            info = None
        conn = self.conn_class(self.net, event.conn, event.peer, info, event.request)
        self.conns[event.conn] = conn
        if event.request not in self.pending and event.request not in self.abandoned:
            self.accepted.append(conn)
        self.wake(self)

    def _done(self, event: Event) -> None:
        if event.request in self.abandoned:
            self.abandoned.discard(event.request)
            self._close_unwanted(event)
            return
        pending = self.pending.pop(event.request, None)
        if pending is None:
            return
        pending.done = event
        conn = self.conns.get(event.conn)
        if event.result == Result.OK and conn is not None and conn in self.accepted:
            self.accepted.remove(conn)  # it came by itself, and is what was asked for
        self.wake(pending)


def is_address(where: str) -> bool:
    """Whether it is "host:port" rather than a locator: only that has a colon."""
    return ":" in where


def address(where: Any) -> str:
    """What connect() takes: "host:port", (host, port) or a locator."""
    if isinstance(where, tuple) and len(where) == 2 and isinstance(where[0], str) and isinstance(where[1], int):
        host, port = where
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not isinstance(where, str):
        raise TypeError(f"connect() takes \"host:port\", (host, port) or a locator; it was given {where!r}")
    return where


def decoder(encoding: Optional[str], errors: str) -> Callable[[bytes], Union[str, bytes]]:
    """What makes lines of bytes: with encoding None they stay bytes."""
    if encoding is None:
        return lambda data: data
    b"".decode(encoding, errors)  # an unknown name is an error here, not with the first line
    return lambda data: data.decode(encoding, errors)
