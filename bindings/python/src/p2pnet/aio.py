"""A net for asyncio: the same as p2pnet.Net, with `await`.

    async with p2pnet.aio.Net(dialect="secure", net_type="direct") as net:
        conn = await net.connect(locator)
        await conn.send_line("hello")
        async for line in conn:
            ...

The event loop watches the net's descriptor; no thread is involved. Times are limited the asyncio way, by
asyncio.wait_for() or asyncio.timeout(): a request whose task is cancelled is cancelled. Everything belongs to the loop in which
start() was called; from other threads use loop.call_soon_threadsafe().
"""
from __future__ import annotations

import asyncio
import contextlib
import inspect
import warnings
from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

from . import info as _info
from . import options as _options
from ._aio_conn import Conn
from ._router import DhtMessage, Router, address, decoder, is_address
from .core import EventNet, Line
from .errors import ClosedError, StateError, error
from .net import BATCH, MAX_UNREAD

__all__ = ["Net", "Conn"]


class Net:
    """One node. Arguments as p2pnet.Net; carry and on_info are called in the loop, and may be coroutine functions."""

    def __init__(self, *, encoding: Optional[str] = "utf-8", errors: str = "replace", max_unread: int = MAX_UNREAD,
                 carry: Optional[Callable[[str, str], Any]] = None, on_info: Optional[Callable[[], Any]] = None,
                 **options: Any) -> None:
        self._core: EventNet = None  # type: ignore[assignment]
        self._decode = decoder(encoding, errors)
        if carry is not None and options.get("dht") is None:
            options["dht"] = True
        self._core = EventNet(**options)
        close_timeout = options.get("close_timeout_ms")
        self._close_timeout = (_options.default("close_timeout_ms") if close_timeout is None else close_timeout) / 1000
        self._router = Router(self, self._core, Conn, self._wake, self._watch, max_unread, carry, on_info)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._watched: Optional[int] = None
        self._waiters: Dict[Any, List["asyncio.Future[None]"]] = {}
        self._tasks: Set["asyncio.Future[Any]"] = set()
        self._closing = False

    @property
    def core(self) -> EventNet:
        """The net as the library has it. Its events are taken by this one."""
        return self._core

    @property
    def closed(self) -> bool:
        return self._core.closed

    # Waiting.

    def _wake(self, who: Any) -> None:
        """Those who wait for this are to look again."""
        for future in self._waiters.pop(who, ()):
            if not future.done():
                future.set_result(None)

    def _wake_all(self) -> None:
        for who in list(self._waiters):
            self._wake(who)

    async def _wakeup(self, who: Any) -> None:
        """Waits until something about this has changed."""
        self._check_running()
        future = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(who, []).append(future)
        try:
            await future
        finally:
            if not future.done() or future.cancelled():
                rest = [f for f in self._waiters.get(who, []) if f is not future]
                if rest:
                    self._waiters[who] = rest
                else:
                    self._waiters.pop(who, None)

    async def _until(self, who: Any, is_there: Callable[[], bool]) -> None:
        while not is_there():
            await self._wakeup(who)

    def _check_running(self) -> None:
        if self._core.closed:
            raise ClosedError("the net is closed")
        stopped = self._router.stopped
        if stopped is not None:
            if stopped.result < 0:
                raise error(stopped.result, stopped.text)
            raise ClosedError("the net has stopped")
        if self._loop is None:
            raise StateError("the net is not started; `await net.start()`, or use it with `async with`")
        if self._loop is not asyncio.get_running_loop():
            raise StateError("the net belongs to another event loop, the one in which it was started")

    def _watch(self) -> None:
        """Has the loop tell of events."""
        if self._loop is not None and self._watched is None and not self._core.closed and self._router.stopped is None:
            self._watched = self._core.fileno()
            self._loop.add_reader(self._watched, self._readable)

    def _unwatch(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(watched)

    def _readable(self) -> None:
        """Takes events, some at a time so that the loop's other work goes on; what is left makes the loop call again."""
        if self._core.closed:
            return
        router = self._router
        for _ in range(BATCH):
            if router.full() and not self._closing:
                self._unwatch()  # until the program has read
                break
            event = self._core.next_event()
            if event is None:
                break
            router.route(event)
        if router.stopped is not None:
            self._unwatch()  # it stays readable for ever
            self._wake_all()
        carried, router.carried = router.carried, []
        infos, router.infos = router.infos, 0
        for to, text in carried if router.carry else ():
            self._call(router.carry, to, text)
        if infos and router.on_info:
            self._call(router.on_info)

    def _call(self, function: Any, *arguments: Any) -> None:
        """A function of the program's, plain or a coroutine function."""
        result = function(*arguments)
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(result)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _finish(self, request: Callable[..., int], *arguments: Any) -> Any:
        """Makes a request and waits for its end. If the task is cancelled, the request is."""
        self._check_running()
        pending = self._router.begin(request(*arguments))
        try:
            await self._until(pending, lambda: pending.done is not None)
        except BaseException:
            self._router.abandon(pending)
            raise
        return pending.outcome()

    # Its life.

    async def start(self, wait: bool = True) -> "Net":
        """Opens the listening sockets, and waits until the node knows how it stands (start_timeout_ms, 3 s, at most)."""
        self._core.start()
        self._loop = asyncio.get_running_loop()
        self._watch()
        if wait:
            await self.wait_ready()
        return self

    async def wait_ready(self) -> None:
        """Waits until the start is finished."""
        self._check_running()
        await self._until(self._router, lambda: self._router.ready)

    def stop(self) -> None:
        """Begins to stop and returns at once. close() waits."""
        self._core.stop()

    async def close(self) -> None:
        """Stops, sending what is queued, and frees. Whoever waits gets an error. Again is fine."""
        if self._core.closed:
            return
        self._closing = True
        try:
            if self._loop is not None and self._router.stopped is None:
                self._core.stop()
                self._watch()
                with contextlib.suppress(asyncio.TimeoutError, ClosedError):
                    await asyncio.wait_for(self._until(self._router, lambda: self._router.stopped is not None),
                                           2 * self._close_timeout + 2)
        finally:
            self._unwatch()
            self._core.close()
            self._wake_all()

    async def __aenter__(self) -> "Net":
        if not self._core._started:
            try:
                await self.start()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None and core._started and not core.closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if self.closed:
            return "<p2pnet.aio.Net closed>"
        return f"<p2pnet.aio.Net {'on port ' + str(self.info().passive_port) if self._core._started else 'not started'}>"

    # What it does.

    async def bootstrap(self) -> int:
        """Asks the rendezvous servers for nodes and connects to them: accept() gives the connections.

        Gives how many were named. The net asks again by itself, also after an error.
        """
        return int((await self._finish(self._core.bootstrap)).code)

    async def advertise(self) -> None:
        """Has this node listed at the rendezvous servers, and waits until one has done it."""
        await self._finish(self._core.advertise)

    async def connect(self, where: Union[str, Tuple[str, int]]) -> Conn:
        """A connection to "host:port", or to the node with a locator by whatever way works.

        Errors are ConnectError, RefusedError, TimeoutError, ... and say why; explain(error.request) has the whole story.
        """
        where = address(where)
        request = self._core.connect if is_address(where) else self._core.unl_connect
        return self._connected(await self._finish(request, where))

    async def connect_classic(self, unl: str, nonce: Optional[str] = None, flags: int = 0) -> Conn:
        """connect() to a classic locator with PyP2P's choices: nonce (64 hexadecimal digits), Classic bits."""
        return self._connected(await self._finish(self._core.unl_connect_classic, unl, nonce, flags))

    def _connected(self, done: Any) -> Conn:
        conn: Optional[Conn] = self._router.conns.get(done.conn)
        if conn is None:
            raise ClosedError("the connection was made, and closed at once")
        return conn

    async def accept(self) -> Conn:
        """The next connection that did not come of a connect() here: a peer's, or one of bootstrap()'s."""
        await self._until(self._router, lambda: bool(self._router.accepted))
        conn: Conn = self._router.accepted.popleft()
        return conn

    @property
    def connections(self) -> List[Conn]:
        """The open connections, as far as events have been taken."""
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

    async def dht_put(self, to: str, message: Line) -> None:
        """Leaves a message for a node, and waits until it is with the mailbox (or was given to carry)."""
        await self._finish(self._core.dht_put, to, message)

    async def dht_receive(self) -> DhtMessage:
        """The next message for this node."""
        await self._until(self._router, lambda: bool(self._router.dht))
        return self._router.dht.popleft()

    def dht_deliver(self, sender: str, message: Line) -> None:
        """Hands in a message that came over the program's own DHT (carry)."""
        self._core.dht_deliver(sender, message)
