"""PyP2P's DHT: messages between nodes by their ids, through a mailbox server that both know.

dht_msg_endpoint is that server's script: "http://host:8080/dht_msg.php" of a p2p-rendezvous, or a PyP2P one. Where there is none,
messages reach the DHT objects of this process only.
"""
import binascii
import collections
import http.client
import json
import logging
import os
import random
import string
import sys
import threading
import time
import urllib.parse
import weakref
from ast import literal_eval
from queue import Empty, Full, Queue
from threading import Event, Thread

from . import _msgpack
from .lib import http_get, is_ip_valid, is_valid_port

log = logging.getLogger("p2pnet.compat")
dht_msg_endpoint = os.environ.get("P2PNET_DHT_MSG")
LONG_POLLING = True
ALIVE_TIMEOUT = MUTEX_TIMEOUT = RESERVATION_TIMEOUT = 10 * 60 - 5
#: Bytes of an answer with messages, of a message, and messages that wait to be sent.
MOST, LONGEST, MOST_WAITING = 2 * 1024 * 1024, 64 * 1024, 1024
DEEPEST = 32
KadNode = collections.namedtuple("KadNode", "id ip port can_test")
#: Of this process, by id: where there is no server.
_here = weakref.WeakValueDictionary()


class DHTProtocol:
    def __init__(self):
        self.messages_received = None


class Deferred:
    """As much of Twisted's as async_dht_put() and async_dht_get() need: callbacks run when the answer is there."""

    def __init__(self):
        self._lock, self._callbacks, self._result = threading.Lock(), [], None

    def addCallback(self, function, *args, **kwargs):
        with self._lock:
            if self._result is None:
                self._callbacks.append((function, args, kwargs))
                return self
        self._result = (function(self._result[0], *args, **kwargs),)
        return self

    def callback(self, result):
        with self._lock:
            callbacks, self._callbacks, self._result = self._callbacks, [], (result,)
        for function, args, kwargs in callbacks:
            self._result = (function(self._result[0], *args, **kwargs),)


class Delivery:
    """A message on its way: what PyP2P had a thread for."""

    def __init__(self, node_id, msg, list_pop):
        self.node_id, self.msg, self.list_pop, self._done = node_id, msg, list_pop, Event()

    def is_alive(self):
        return not self._done.is_set()

    isAlive = is_alive

    def join(self, timeout=None):
        self._done.wait(timeout)


class DHT:
    """A node by whose id messages can be sent. networking 0: only to those that add_relay_link() names."""

    def __init__(self, node_id=None, ip=None, port=0, password=None, network_id="default", debug=1, networking=1):
        node_id = node_id or self.rand_str(20)
        self.node_id = binascii.hexlify(node_id.encode("ascii") if isinstance(node_id, str) else node_id).decode("ascii")
        self.password = password or self.rand_str(30)
        self.ip, self.port, self.network_id, self.debug = ip, port, network_id, debug
        self.relay_links, self.message_handlers = {}, set()
        self.protocol = DHTProtocol()
        self.protocol.messages_received = Queue()
        self.is_registered, self.is_mutex_ready, self.is_neighbours_ready = Event(), Event(), Event()
        self.running, self.has_mutex, self.neighbours = 1, 0, []
        self.endpoint = dht_msg_endpoint
        self.networking = int(bool(networking and self.endpoint))
        self._nets = weakref.WeakSet()
        self._stopped, self._polling = Event(), set()
        self._outbox = Queue(MOST_WAITING)
        self.threads = []
        if networking and not self.endpoint:
            log.warning("dht_msg_endpoint is not set (P2PNET_DHT_MSG): messages stay in this process")
            _here[self.node_id] = self
        if self.networking:
            self.register(self.node_id, self.password)
            for work in (self._send_loop, self._receive_loop, self._chores_loop):
                self._thread(work)

    def _thread(self, work):
        thread = Thread(target=work, daemon=True)
        self.threads.append(thread)
        thread.start()

    # Talking to the server.

    def _call(self, call, timeout=5, began=None, **query):
        query = {"call": call, "node_id": self.node_id, "password": self.password, **query}
        return http_get(f"{self.endpoint}?{urllib.parse.urlencode(query)}", timeout, MOST, began=began)

    def _try(self, what, call, **query):
        """The answer, or None with a word in the log."""
        try:
            return self._call(call, **query)
        except (OSError, ValueError, http.client.HTTPException) as e:
            log.log(logging.WARNING if self.debug else logging.DEBUG, "%s by %s failed: %s", what, self.endpoint, e)
            return None

    def register(self, node_id, password):
        """Makes the mailbox known to the server. If the server does not answer, it is tried again."""
        more = {"ip": self.ip} if self.ip is not None else {}
        answer = self._try("registering", "register", node_id=node_id, password=password, port=self.port,
                           network_id=self.network_id, **more)
        if answer is not None and "success" in answer:
            self.is_registered.set()
        return self.is_registered.is_set()

    def _chores(self):
        if not self.is_registered.is_set() and not self.register(self.node_id, self.password):
            return False
        self._try("saying that we are there", "last_alive")
        mutex = (self._try("asking for the mutex", "get_mutex") or "").strip()
        self.has_mutex = int(mutex) if mutex in ("1", "2") else 0
        self.is_mutex_ready.set()
        self.neighbours = self._find_neighbours()
        self.is_neighbours_ready.set()
        return True

    def _find_neighbours(self):
        try:
            found = json.loads(self._try("asking for neighbours", "find_neighbours", network_id=self.network_id) or "[]")
            return [KadNode(binascii.unhexlify(n["id"]), n["ip"], int(n["port"]), int(n["can_test"]))
                    for n in (found if isinstance(found, list) else [found])
                    if is_ip_valid(n["ip"]) and is_valid_port(n["port"])]
        except (ValueError, KeyError, TypeError) as e:
            log.warning("neighbours that cannot be read: %s", e)
            return []

    def _chores_loop(self):
        while not self._stopped.wait(ALIVE_TIMEOUT if self._chores() else 2):
            pass

    def _receive_loop(self):
        pause = 0
        while not self._stopped.wait(pause):
            if not self.is_registered.wait(0.5):
                continue
            messages = self._list(1, 40)
            pause = 0.1 if messages is not None else 2
            for msg in messages or ():
                self._received(msg)

    def _received(self, msg):
        """A message for this node."""
        if isinstance(msg, str) and msg.startswith("REVERSE_"):
            for net in list(self._nets):
                net._reverse_message(msg)
        self.protocol.messages_received.put(msg)

    def _list(self, list_pop, timeout, node_id=None, password=None):
        """The messages in the mailbox, or None if it could not be asked."""
        open_now = []

        def began(connection):
            open_now.append(connection.sock)  # the connection lets go of it when the answer begins
            self._polling.add(connection.sock)
            if self._stopped.is_set():
                raise OSError("stopped")
        try:
            messages = json.loads(self._call("list", timeout, began, node_id=node_id or self.node_id,
                                             password=password or self.password, list_pop=list_pop) or "[]")
        except (OSError, ValueError, http.client.HTTPException) as e:
            if not self._stopped.is_set():
                log.debug("asking %s for messages failed: %s", self.endpoint, e)
            return None
        finally:
            self._polling.difference_update(open_now)
        found = []
        for msg in messages if isinstance(messages, list) else [messages]:
            try:
                found.append(self.build_dht_response(msg))
            except (ValueError, TypeError) as e:
                log.warning("a message that cannot be read was left out: %s", e)
        return found

    def _send_loop(self):
        while not self._stopped.is_set():
            delivery = self._outbox.get()
            while delivery is not None and not self._stopped.is_set():
                answer = self._try("leaving a message", "put", dest_node_id=delivery.node_id, msg=delivery.msg,
                                   list_pop=delivery.list_pop)
                if answer is not None and "success" in answer:
                    delivery._done.set()
                    break
                self._stopped.wait(2)

    def stop(self):
        """Ends the threads; a request that waits is broken off."""
        self.running = 0
        self._stopped.set()
        _here.pop(self.node_id, None)
        try:
            self._outbox.put_nowait(None)  # wakes the thread
        except Full:
            pass  # it is not waiting
        for polling in list(self._polling):
            try:
                polling.shutdown(2)  # wakes the thread
            except OSError:
                pass

    # Messages.

    def put(self, node_id, msg, list_pop=1):
        """Sends a message: text, bytes, numbers, lists, dictionaries. In the order in which they are put, until it works."""
        if isinstance(node_id, bytes):
            node_id = node_id.decode("ascii")
        delivery = Delivery(node_id, self.serialize_message(msg), list_pop)
        link = self.relay_links.get(node_id) or (None if self.networking else _here.get(node_id))
        if link is not None:
            link._received(self.build_dht_response(delivery.msg))
            delivery._done.set()
        elif not self.networking:
            log.warning("a message to %s leads nowhere: dht_msg_endpoint is not set", node_id)
        else:
            try:
                self._outbox.put_nowait(delivery)
            except Full:
                raise RuntimeError(f"{MOST_WAITING} messages wait to be sent: is {self.endpoint} working?") from None
        return delivery

    def list(self, node_id=None, password=None, list_pop=1, timeout=None):
        """The messages in a mailbox; it waits for the first, as long as the server likes."""
        if not self.networking:
            return []
        return self._list(list_pop, timeout or 40, node_id, password) or []

    def send_direct_message(self, node_id, msg):
        """Sends a message to a node: 20 bytes, or as hexadecimal digits."""
        self.put(binascii.hexlify(node_id).decode("ascii") if isinstance(node_id, bytes) else node_id, msg)

    direct_message = relay_message = repeat_relay_message = async_direct_message = send_direct_message

    def async_dht_put(self, key, value):
        """Leaves a value that everybody can read; the Deferred fires with "success"."""
        deferred = Deferred()
        delivery = self.put(key, value, list_pop=0)
        Thread(target=lambda: (delivery.join(), deferred.callback("success")), daemon=True).start()
        return deferred

    def async_dht_get(self, key):
        """Reads such a value; the Deferred fires with it, or None."""
        deferred = Deferred()

        def ask():
            found = self.list(node_id=key, list_pop=0, timeout=5)
            deferred.callback(found[0] if found else None)
        Thread(target=ask, daemon=True).start()
        return deferred

    def serialize_message(self, msg):
        """Hexadecimal digits of MessagePack."""
        return binascii.hexlify(_msgpack.pack(msg))

    def build_dht_response(self, msg):
        """The value in such digits. Text that is a Python literal becomes what it denotes, as in PyP2P."""
        if len(msg) > 2 * LONGEST:
            raise ValueError(f"it is longer than {LONGEST} bytes")
        value = _msgpack.unpack(binascii.unhexlify(msg))
        if not isinstance(value, (str, bytes)):
            return value
        try:
            text = value if isinstance(value, str) else value.decode("utf-8")
            return literal_eval(text) if _is_shallow(text) else value
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return value

    def hook_queue(self, q):
        """Messages go into this queue from now on."""
        old, self.protocol.messages_received = self.protocol.messages_received, q
        while not old.empty():
            q.put(old.get())

    def check_for_new_messages(self):
        """Nothing: it goes on all the time."""

    def has_messages(self):
        return not self.protocol.messages_received.empty()

    def get_messages(self):
        """Takes what has come, and shows it to the handlers."""
        result = []
        while True:
            try:
                result.append(self.protocol.messages_received.get_nowait())
            except Empty:
                break
        for msg in result:
            for handler in list(self.message_handlers):
                if handler(self, msg) == -1:
                    self.message_handlers.discard(handler)
        return result

    def add_message_handler(self, handler):
        """handler(dht, msg), called by get_messages(); if it gives -1 it is removed."""
        self.message_handlers.add(handler)

    def remove_transfer_request_handler(self, handler):
        """Nothing, as in PyP2P."""

    def add_relay_link(self, dht):
        """Messages to that DHT object are given to it directly."""
        self.relay_links[dht.node_id] = dht

    def get_id(self):
        return binascii.unhexlify(self.node_id)

    def get_neighbours(self):
        return self.neighbours

    def has_testable_neighbours(self):
        return int(any(n.can_test for n in self.neighbours))

    def can_test_knode(self, id):
        return int(any(n.id == id and n.can_test for n in self.neighbours))

    def rand_str(self, length):
        return "".join(random.SystemRandom().choice(string.ascii_letters + string.digits) for _ in range(length))

    def debug_print(self, msg):
        if self.debug:
            log.debug("%s", msg)


def _is_shallow(text):
    """Whether brackets are nested so little that a parser of Python takes it."""
    depth = deepest = 0
    for letter in text:
        if letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth -= 1
    return deepest <= DEEPEST and text.count("-") + text.count("+") + text.count("~") < 1000
