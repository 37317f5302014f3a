"""A thin layer over libp2pnet's C ABI by ctypes, for the tests: the structs and calls of include/p2pnet.h that they use.

Events are pulled (`p2p_next_event`, `p2p_wait`) on the test's own thread, and copied into `Event`.
"""
import collections
import ctypes
import json
import os
import re
import time
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Nobody waits longer than this for something that has to happen: then it hangs.
WATCHDOG = 60.0


def constants():
    """Every enum constant of the header, by name."""
    text = (ROOT / "include" / "p2pnet.h").read_text(encoding="utf-8")
    return {name: int(number) for name, number in re.findall(r"^  (P2P_\w+) = (-?\d+),", text, re.M)}


C = constants()
EVENTS = {number: name[len("P2P_EVENT_"):] for name, number in C.items() if name.startswith("P2P_EVENT_")}
VIA = {number: name[len("P2P_VIA_"):] for name, number in C.items() if name.startswith("P2P_VIA_")}
OPENED, CLOSED, LINE, DONE, STOPPED, READY = "OPENED", "CLOSED", "LINE", "DONE", "STOPPED", "READY"


class CError(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("code", c_int32), ("os_error", c_int32), ("message", c_char * 244)]


class CEvent(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("conn", c_uint64), ("request", c_uint64),
                ("result", c_int32), ("os_error", c_int32), ("code", c_int32), ("reserved", c_uint32),
                ("data", c_void_p), ("len", c_size_t), ("peer", c_char_p), ("conn_user", c_void_p),
                ("time_ms", c_uint64)]


class CConnInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("via", c_int32), ("inbound", c_int32), ("reserved", c_uint32),
                ("queued_bytes", c_uint64), ("unread_bytes", c_uint64), ("bytes_in", c_uint64), ("bytes_out", c_uint64),
                ("age_ms", c_uint64), ("peer", c_char * 64), ("con_id", c_char * 72)]


class CStats(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32)] + [
        (name, c_uint64) for name in ("lines_in", "lines_out", "bytes_in", "bytes_out", "duplicates", "opened", "closed",
                                      "rejected", "log_dropped", "events_queued")]


PROTOTYPES = {
    "p2p_strerror": (c_char_p, [c_int32]),
    "p2p_config_new": (c_void_p, []),
    "p2p_config_free": (None, [c_void_p]),
    "p2p_config_set_int": (c_int32, [c_void_p, c_int32, c_int64, POINTER(CError)]),
    "p2p_config_set_str": (c_int32, [c_void_p, c_int32, c_char_p, POINTER(CError)]),
    "p2p_config_add_server": (c_int32, [c_void_p, c_int32, c_char_p, POINTER(CError)]),
    "p2p_net_new": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(CError)]),
    "p2p_net_start": (c_int32, [c_void_p, POINTER(CError)]),
    "p2p_net_bootstrap": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(CError)]),
    "p2p_net_advertise": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(CError)]),
    "p2p_connect": (c_int32, [c_void_p, c_char_p, c_void_p, c_void_p, POINTER(c_uint64), POINTER(CError)]),
    "p2p_unl_construct": (c_int32, [c_void_p, POINTER(c_char_p), c_size_t, c_char_p, c_size_t, POINTER(c_size_t),
                                    POINTER(CError)]),
    "p2p_unl_connect_classic": (c_int32, [c_void_p, c_char_p, c_char_p, c_int32, c_void_p, c_void_p, POINTER(c_uint64),
                                          POINTER(CError)]),
    "p2p_explain": (c_int32, [c_void_p, c_uint64, c_char_p, c_size_t, POINTER(c_size_t)]),
    "p2p_conn_get_info": (c_int32, [c_void_p, c_uint64, POINTER(CConnInfo)]),
    "p2p_net_stop": (c_int32, [c_void_p]),
    "p2p_dht_get_id": (c_int32, [c_void_p, c_char_p, c_size_t, POINTER(c_size_t)]),
    "p2p_dht_put": (c_int32, [c_void_p, c_char_p, c_char_p, c_size_t, POINTER(c_uint64), POINTER(CError)]),
    "p2p_net_free": (c_int32, [c_void_p]),
    "p2p_net_get_stats": (c_int32, [c_void_p, POINTER(CStats)]),
    "p2p_next_event": (c_int32, [c_void_p, POINTER(POINTER(CEvent))]),
    "p2p_event_free": (None, [POINTER(CEvent)]),
    "p2p_wait": (c_int32, [c_void_p, c_int32]),
    "p2p_send_line": (c_int32, [c_void_p, c_uint64, c_char_p, c_size_t]),
    "p2p_broadcast_line": (c_int32, [c_void_p, c_char_p, c_size_t, c_uint64, POINTER(c_uint32)]),
    "p2p_conn_close": (c_int32, [c_void_p, c_uint64]),
}


def load():
    """The library, at the path in P2PNET_LIB."""
    lib = ctypes.CDLL(os.environ["P2PNET_LIB"])
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


LIB = load()
Event = collections.namedtuple("Event", "kind conn request result code data peer")


class P2pError(Exception):
    """A call failed."""


def check(code, error=None):
    if code < 0:
        told = error.message.decode() if error is not None else LIB.p2p_strerror(code).decode()
        raise P2pError(f"{told} ({code})")
    return code


def new_error():
    return CError(struct_size=ctypes.sizeof(CError))


class Net:
    """One of our nodes, which speaks as PyP2P does. Options are names of P2P_OPT_* in lower case."""

    def __init__(self, ip, port=0, servers=(), mailbox=None, **options):
        options.setdefault("passive_bind", ip)
        options.setdefault("passive_port", port)
        options.setdefault("node_type", C["P2P_NODE_PASSIVE"])
        options.setdefault("dialect", C["P2P_DIALECT_CLASSIC"])
        self.ip, self.port = ip, port
        # Taken from the library and not yet asked for.
        self.events = collections.deque()
        self.log = []
        self.handle = c_void_p()
        self.is_stopped = False
        error, config = new_error(), LIB.p2p_config_new()
        try:
            for name, value in options.items():
                key = C["P2P_OPT_" + name.upper()]
                if isinstance(value, str):
                    check(LIB.p2p_config_set_str(config, key, value.encode(), byref(error)), error)
                else:
                    check(LIB.p2p_config_set_int(config, key, int(value), byref(error)), error)
            for address, server_port in servers:
                check(LIB.p2p_config_add_server(config, C["P2P_SERVER_RENDEZVOUS"], b"%s:%d" % (
                    address.encode(), server_port), byref(error)), error)
            if mailbox is not None:
                check(LIB.p2p_config_add_server(config, C["P2P_SERVER_DHT"], mailbox.encode(), byref(error)), error)
            check(LIB.p2p_net_new(config, byref(self.handle), byref(error)), error)
        finally:
            LIB.p2p_config_free(config)
        check(LIB.p2p_net_start(self.handle, byref(error)), error)
        self.expect(READY)

    def _request(self, function, *arguments):
        error, request = new_error(), c_uint64()
        check(function(self.handle, *arguments, byref(request), byref(error)), error)
        return request.value

    def bootstrap(self):
        """Starts; gives the request."""
        return self._request(LIB.p2p_net_bootstrap)

    def advertise(self):
        return self._request(LIB.p2p_net_advertise)

    def advertise_and_wait(self):
        done = self.done(self.advertise())
        assert done.result == 0, done

    def connect(self, ip, port):
        return self._request(LIB.p2p_connect, b"%s:%d" % (ip.encode(), port), None, None)

    def connect_and_wait(self, ip, port):
        """Gives the connection."""
        done = self.done(self.connect(ip, port))
        assert done.result == 0, done
        return self.expect(OPENED, conn=done.conn).conn

    def unl(self, **changes):
        """Our locator, with some of its facts replaced."""
        texts = (c_char_p * len(changes))(*[f"{name}={value}".encode() for name, value in changes.items()])
        error, text = new_error(), ctypes.create_string_buffer(256)
        check(LIB.p2p_unl_construct(self.handle, texts, len(changes), text, len(text), byref(c_size_t()), byref(error)),
              error)
        return text.value.decode()

    def unl_connect(self, unl, nonce=None, flags=0):
        return self._request(LIB.p2p_unl_connect_classic, unl.encode(), nonce and nonce.encode(), flags, None, None)

    def unl_connect_and_wait(self, unl, nonce=None, timeout=None):
        """Gives the connection."""
        request = self.unl_connect(unl, nonce)
        done = self.expect(DONE, request=request, timeout=timeout or WATCHDOG)
        assert done.result == 0, (done, self.explain(request))
        return self.expect(OPENED, conn=done.conn).conn

    def explain(self, request):
        """The story of a request."""
        text = ctypes.create_string_buffer(65536)
        check(LIB.p2p_explain(self.handle, request, text, len(text), byref(c_size_t())))
        return json.loads(text.value)

    def conn_info(self, conn):
        info = CConnInfo(struct_size=ctypes.sizeof(CConnInfo))
        check(LIB.p2p_conn_get_info(self.handle, conn, byref(info)))
        return info

    def via(self, conn):
        """How a connection came to be, and whether the peer opened it."""
        info = self.conn_info(conn)
        return VIA[info.via], bool(info.inbound)

    def con_id(self, conn):
        return self.conn_info(conn).con_id.decode()

    def wait_log(self, text):
        """Waits until the library says that. Needs log_level."""
        end = time.monotonic() + WATCHDOG
        while not any(text in line for line in self.log):
            assert time.monotonic() < end, f"nothing like {text!r} in {self.log}"
            self.pump(20)

    def dht_id(self):
        """Its name for messages, 20 bytes."""
        digits = ctypes.create_string_buffer(41)
        check(LIB.p2p_dht_get_id(self.handle, digits, 41, None))
        return bytes.fromhex(digits.value.decode())

    def dht_put(self, node_id, text):
        """Sends a message and waits until it is with the mailbox."""
        data = text.encode("utf-8")
        done = self.done(self._request(LIB.p2p_dht_put, node_id.hex().encode(), data, len(data)))
        assert done.result == 0, done

    def done(self, request):
        return self.expect(DONE, request=request)

    def send(self, conn, line):
        """Sends one line (text or bytes), waiting while the buffer is full."""
        data = line.encode("utf-8") if isinstance(line, str) else line
        end = time.monotonic() + WATCHDOG
        while True:
            code = LIB.p2p_send_line(self.handle, conn, data, len(data))
            if code != C["P2P_ERR_WOULD_BLOCK"]:
                return check(code)
            assert time.monotonic() < end, "the peer does not read"
            self.pump(1000)

    def broadcast(self, line):
        sent = c_uint32()
        check(LIB.p2p_broadcast_line(self.handle, line.encode(), len(line.encode()), 0, byref(sent)))
        return sent.value

    def close(self, conn):
        check(LIB.p2p_conn_close(self.handle, conn))

    def stats(self):
        stats = CStats(struct_size=ctypes.sizeof(CStats))
        check(LIB.p2p_net_get_stats(self.handle, byref(stats)))
        return stats

    def wait_opened(self, count):
        """Waits until so many connections have been opened, by either side."""
        end = time.monotonic() + WATCHDOG
        while self.stats().opened < count:
            assert time.monotonic() < end, f"{self.stats().opened} of {count} connections"
            self.pump(20)

    def pump(self, timeout_ms):
        """Takes every event there is, waiting up to timeout_ms for one."""
        if LIB.p2p_wait(self.handle, int(timeout_ms)) < 0:
            return
        event = POINTER(CEvent)()
        while check(LIB.p2p_next_event(self.handle, byref(event))) == 1:
            e = event.contents
            data = ctypes.string_at(e.data, e.len)
            kind = EVENTS.get(e.kind, e.kind)
            if kind == "LOG":
                self.log.append(data.decode(errors="replace"))
            else:
                self.events.append(Event(kind, e.conn, e.request, e.result, e.code, data, e.peer.decode()))
            LIB.p2p_event_free(event)

    def expect(self, kind, conn=None, request=None, timeout=WATCHDOG):
        """Waits for the first such event and takes it out; others stay."""
        end = time.monotonic() + timeout
        while True:
            for i, e in enumerate(self.events):
                if e.kind == kind and conn in (None, e.conn) and request in (None, e.request):
                    del self.events[i]
                    return e
            left = end - time.monotonic()
            assert left > 0, f"no {kind} in {timeout:.0f} s; there were {list(self.events)[:20]}"
            self.pump(left * 1000)

    def lines(self, conn, count):
        """The next `count` lines of a connection."""
        end, got = time.monotonic() + WATCHDOG, []
        while True:
            rest = collections.deque()
            for e in self.events:
                if len(got) < count and e.kind == LINE and e.conn == conn:
                    got.append(e.data)
                else:
                    rest.append(e)
            self.events = rest
            if len(got) == count:
                return got
            left = end - time.monotonic()
            assert left > 0, f"{len(got)} of {count} lines; the last: {got[-1:]}; also {list(rest)[:5]}"
            self.pump(left * 1000)

    def stop(self):
        """Stops and waits for the end."""
        if not self.is_stopped:
            self.is_stopped = True
            check(LIB.p2p_net_stop(self.handle))
            stopped = self.expect(STOPPED)
            assert stopped.result == 0, stopped

    def free(self):
        if self.handle:
            LIB.p2p_net_free(self.handle)
            self.handle = c_void_p()
