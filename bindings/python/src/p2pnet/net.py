"""A net for programs that wait: connect() gives a connection, read_line() a line.

    with p2pnet.Net(dialect="secure", net_type="direct") as net:
        conn = net.connect(locator)
        conn.send_line("hello")
        print(conn.read_line(timeout=5))

No thread is behind it but the library's own, which runs no Python. Whichever of the program's threads waits for something takes
the events meanwhile, also those that others wait for. All of it may be used by several threads.
"""
from __future__ import annotations

import contextlib
import threading
import time
import warnings
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from . import info as _info
from ._router import DhtMessage, Router, address, decoder, is_address
from .conn import Conn
from .core import EventNet, Line, sleep
from .errors import ClosedError, StateError, TimeoutError, error

#: Events taken at a time, between two looks whether what was waited for has come.
BATCH = 256
MAX_UNREAD = 64 * 1024 * 1024


class Net:
    """One node. Options are keyword arguments: p2pnet.options, the README. It opens nothing before start() or `with`.

    encoding, errors: how lines become text; encoding None leaves them bytes. max_unread: bytes that have come and that the
    program has not read, all connections together, from which on no more is taken; peers are then slowed down. carry: a
    function (to, text) that brings messages to other nodes over the program's own DHT. on_info: a function without
    arguments, called when info() tells something new. Both are called in a thread that waits for something, or in poll().
    """

    def __init__(self, *, encoding: Optional[str] = "utf-8", errors: str = "replace", max_unread: int = MAX_UNREAD,
                 carry: Optional[Callable[[str, str], Any]] = None, on_info: Optional[Callable[[], Any]] = None,
                 **options: Any) -> None:
        self._core: EventNet = None  # type: ignore[assignment]
        self._decode = decoder(encoding, errors)
        if carry is not None and options.get("dht") is None:
            options["dht"] = True
        self._core = EventNet(**options)
        self._changed = threading.Condition(threading.RLock())
        self._leader: Optional[int] = None
        self._router = Router(self, self._core, Conn, lambda _who: None, self._changed.notify_all, max_unread,
                              carry, on_info)

    @property
    def core(self) -> EventNet:
        """The net as the library has it. Its events are taken by this one."""
        return self._core

    @property
    def closed(self) -> bool:
        return self._core.closed

    # Waiting.

    def _take(self) -> None:
        """Takes events and puts them where they belong; then calls the functions that are to hear of them."""
        router = self._router
        with self._changed:
            for _ in range(BATCH):
                event = None if router.full() and not router.core._over else self._core.next_event()
                if event is None:
                    break
                router.route(event)
            carried, router.carried = router.carried, []
            infos, router.infos = router.infos, 0
            self._changed.notify_all()
        for to, text in carried:
            if router.carry is not None:
                router.carry(to, text)
        if infos and router.on_info is not None:
            router.on_info()

    def poll(self) -> None:
        """Takes what has come. Never waits. For programs that look at many connections in turn."""
        self._take()

    def _until(self, is_there: Callable[[], bool], timeout: Optional[float], late: str) -> None:
        """Waits until is_there() says so. It is asked under the lock; what it raises comes out."""
        end = None if timeout is None else time.monotonic() + timeout
        looked, me = False, threading.get_ident()
        while True:
            with self._changed:
                if is_there():
                    return
                if self._core.closed:
                    raise ClosedError("the net is closed")
                if self._router.stopped is not None:
                    self._raise_stopped()
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0 and looked:
                    raise TimeoutError(f"{late} in {timeout:g} s" if timeout else late)
                if self._leader is not None or self._router.full():
                    self._changed.wait(left)  # somebody else takes the events; or somebody has to read first
                    looked = True
                    continue
            try:
                with self._changed:
                    if self._leader is not None:
                        continue
                    self._leader = me
                    handle: Any = self._core._open()  # lives while its descriptor is looked at
                    fd = self._core.fileno()
                sleep(fd, left if left is None else max(0.0, left))
            finally:
                handle = None
                if self._leader == me:
                    with self._changed:
                        self._leader = None
                        self._changed.notify_all()
            looked = True
            if not self._core.closed:
                self._take()

    def _raise_stopped(self) -> None:
        stopped = self._router.stopped
        assert stopped is not None
        if stopped.result < 0:
            raise error(stopped.result, stopped.text)
        raise ClosedError("the net has stopped")

    def _finish(self, request: Callable[..., int], *arguments: Any, timeout: Optional[float], late: str) -> Any:
        """Makes a request and waits for its end. If waiting ends otherwise, the request is cancelled."""
        with self._changed:  # its DONE must not be taken before it is noted
            pending = self._router.begin(request(*arguments))
        try:
            self._until(lambda: pending.done is not None, timeout, late)
        except BaseException:
            with self._changed:
                self._router.abandon(pending)
            raise
        return pending.outcome()

    # Its life.

    def start(self, wait: bool = True) -> "Net":
        """Opens the listening sockets, and waits until the node knows how it stands (start_timeout_ms, 3 s, at most)."""
        self._core.start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout: Optional[float] = None) -> None:
        """Waits until the start is finished."""
        if not self._core._started and not self.closed:
            raise StateError("the net is not started; call start(), or use it with `with`")
        self._core._open()
        self._until(lambda: self._router.ready, timeout, "the start has not finished")

    def stop(self) -> None:
        """Begins to stop and returns at once. close() waits."""
        self._core.stop()

    def close(self) -> None:
        """Stops, sending what is queued, and frees. Whoever waits gets ClosedError. Again is fine."""
        with contextlib.suppress(ClosedError):
            self._core.stop()
        with self._changed:
            if self._leader != threading.get_ident():
                self._changed.wait_for(lambda: self._leader is None)  # the stop has woken it
            self._core.close()
            self._changed.notify_all()

    def __enter__(self) -> "Net":
        if not self._core._started:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None and core._started and not core.closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if self.closed:
            return "<p2pnet.Net closed>"
        return f"<p2pnet.Net {'on port ' + str(self.info().passive_port) if self._core._started else 'not started'}>"

    # What it does.

    def bootstrap(self, timeout: Optional[float] = None) -> int:
        """Asks the rendezvous servers for nodes and connects to them: accept() gives the connections.

        Gives how many were named. The net asks again by itself, also after an error.
        """
        done = self._finish(self._core.bootstrap, timeout=timeout, late="no server has answered")
        return int(done.code)

    def advertise(self, timeout: Optional[float] = None) -> None:
        """Has this node listed at the rendezvous servers, and waits until one has done it."""
        self._finish(self._core.advertise, timeout=timeout, late="no server has listed this node")

    def connect(self, where: Union[str, Tuple[str, int]], timeout: Optional[float] = None) -> Conn:
        """A connection to "host:port", or to the node with a locator by whatever way works.

        Errors are ConnectError, RefusedError, TimeoutError, ... and say why; explain(error.request) has the whole story.
        """
        where = address(where)
        request = self._core.connect if is_address(where) else self._core.unl_connect
        return self._connected(self._finish(request, where, timeout=timeout, late=f"no connection to {where}"))

    def connect_classic(self, unl: str, nonce: Optional[str] = None, flags: int = 0,
                        timeout: Optional[float] = None) -> Conn:
        """connect() to a classic locator with PyP2P's choices: nonce (64 hexadecimal digits), Classic bits."""
        return self._connected(self._finish(self._core.unl_connect_classic, unl, nonce, flags, timeout=timeout,
                                            late="no connection"))

    def _connected(self, done: Any) -> Conn:
        with self._changed:
            conn: Optional[Conn] = self._router.conns.get(done.conn)
        if conn is None:
            raise ClosedError("the connection was made, and closed at once")
        return conn

    def accept(self, timeout: Optional[float] = None) -> Conn:
        """The next connection that did not come of a connect() here: a peer's, or one of bootstrap()'s."""
        self._until(lambda: bool(self._router.accepted), timeout, "nobody has connected")
        with self._changed:
            if self._router.accepted:
                conn: Conn = self._router.accepted.popleft()
                return conn
        return self.accept(timeout)  # another thread was faster

    @property
    def connections(self) -> List[Conn]:
        """The open connections, as far as events have been taken."""
        with self._changed:
            return list(self._router.conns.values())

    def broadcast_line(self, line: Line, but: Optional[Conn] = None) -> int:
        """Sends a line to all but one, and gives how many took it. Those whose buffer is full do not get it."""
        return self._core.broadcast_line(line, 0 if but is None else but.id)

    def unl(self, **changes: Any) -> str:
        """This node's locator, for others to connect to it by; with changes as in EventNet.unl()."""
        return self._core.unl(**changes)

    def explain(self, request: int) -> Dict[str, Any]:
        """The story of a connect() by locator; docs/explain.md has its members."""
        return self._core.explain(request)

    def report(self) -> Dict[str, Any]:
        """The story behind info(); docs/doctor.md has its members."""
        return self._core.report()

    def info(self) -> _info.NetInfo:
        """How the node stands: type, NAT, addresses."""
        return self._core.info()

    def stats(self) -> _info.Stats:
        stats: _info.Stats = self._core.stats()
        return stats

    def network_changed(self) -> None:
        """Says that the machine's network is another one now."""
        self._core.network_changed()

    # Messages to nodes that no connection leads to.

    @property
    def dht_id(self) -> str:
        """This node's name for messages."""
        return self._core.dht_id()

    def dht_put(self, to: str, message: Line, timeout: Optional[float] = None) -> None:
        """Leaves a message for a node, and waits until it is with the mailbox (or was given to carry)."""
        self._finish(self._core.dht_put, to, message, timeout=timeout, late="no mailbox has taken the message")

    def dht_receive(self, timeout: Optional[float] = None) -> DhtMessage:
        """The next message for this node."""
        found: List[DhtMessage] = []

        def look() -> bool:
            if self._router.dht:
                found.append(self._router.dht.popleft())
            return bool(found)
        self._until(look, timeout, "no message has come")
        return found[0]

    def dht_deliver(self, sender: str, message: Line) -> None:
        """Hands in a message that came over the program's own DHT (carry)."""
        self._core.dht_deliver(sender, message)
