"""PyP2P's Sock: a TCP connection of lines that behaves like the list of the lines that have come.

Connections of a net are such objects, too (`Con`), and have the library's connection underneath instead of a socket.
"""
import errno
import select
import socket
import ssl
import sys
import time

from ..core import octets
from ..errors import ClosedError, Error, TimeoutError as P2pTimeout
from ._gone import gone
from .lib import encode_str, get_lan_ip, log_exception, parse_exception

#: Where PyP2P wrote what went wrong. None: nowhere.
error_log_path = None


class Replies:
    """The list of what has come: looking at it takes in what is new, iterating takes it out."""

    def __init__(self):
        self.nonce, self.nonce_buf, self.unl = None, "", None
        self.reply_filter = None
        self.replies, self.buf = [], b""
        self.max_buf, self.max_chunks, self.chunk_size = 1024 * 1024, 1024, 4096
        self.delimiter = b"\r\n"
        self.alive = time.time()

    def update(self):
        """Takes in what is new. With a reply_filter, lines that it says no to become empty, as in PyP2P."""
        fresh = self.fresh()
        if self.reply_filter is not None:
            fresh = [line if self.reply_filter(line) else "" for line in fresh]
        self.replies += fresh

    def reply_callback(self, callback):
        """Nothing: PyP2P stored it and never called it."""

    def pop_reply(self):
        """Takes the first line that has come; None if there is none."""
        return self.replies.pop(0) if self.replies else None

    def __len__(self):
        self.update()
        return len(self.replies)

    def __bool__(self):  # or an if would ask for the length, and a connection without lines be false
        return True

    def __getitem__(self, key):
        self.update()
        return self.replies[key]

    def __setitem__(self, key, value):
        self.update()
        self.replies[key] = value

    def __delitem__(self, key):
        self.update()
        del self.replies[key]

    def __iter__(self):
        self.update()
        replies, self.replies = self.replies, []
        return iter(replies)

    def __reversed__(self):
        return self.__iter__()  # in the same order, as in PyP2P

    def recv_line(self, timeout=5):
        """The next line; "" if there is none: at once, or for a blocking one after so many seconds."""
        if self.blocking and timeout is not None:
            self.timeout = timeout
        end = time.monotonic() + (timeout or self.timeout or 0)
        while True:
            if self.replies:
                return self.replies.pop(0)
            self.update()
            if self.replies:
                continue
            left = end - time.monotonic()
            if not self.blocking or not self.connected or left <= 0:
                return ""
            self.wait(left)


class Sock(Replies):
    """A TCP connection to addr and port. Not blocking unless it is said; connecting and send_line() wait in any case."""

    def __init__(self, addr=None, port=None, blocking=0, timeout=5, interface="default", use_ssl=0, debug=0):
        super().__init__()
        self.blocking, self.timeout, self.interface = blocking, timeout, interface
        self.use_ssl, self.debug = use_ssl, debug
        self.addr, self.port = None, None
        self.connected, self.s = 0, None
        if addr is not None and port is not None:
            self.connect(addr, port)

    def debug_print(self, msg):
        if self.debug:
            print("> " + str(msg))

    def set_keep_alive(self, sock, after_idle_sec=5, interval_sec=60, max_fails=5):
        """Has the system look whether the peer is there, after so long a silence, so often."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", after_idle_sec), ("TCP_KEEPINTVL", interval_sec),
                            ("TCP_KEEPCNT", max_fails)):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def set_blocking(self, blocking, timeout=5):
        self.timeout, self.blocking = timeout, blocking

    def set_sock(self, s):
        """Takes a connected socket over."""
        self.close()
        self.s = s
        try:
            self.addr, self.port = s.getpeername()[:2]
            s.setblocking(False)
            self.connected = 1
        except OSError:
            self.connected = 0

    def reconnect(self):
        if not self.connected and self.addr is not None and self.port is not None:
            try:
                self.connect(self.addr, self.port)
            except OSError:
                self.connected = 0

    def connect(self, addr, port):
        """Connects, in at most `timeout` seconds. OSError if it cannot."""
        self.addr, self.port = addr, port
        source = None if self.interface == "default" else get_lan_ip(self.interface)
        try:
            s = socket.create_connection((addr, int(port)), self.timeout or 5, (source, 0) if source else None)
            if self.use_ssl:
                s = ssl.create_default_context().wrap_socket(s, server_hostname=addr)
            s.setblocking(False)
        except OSError as e:
            log_exception(error_log_path, parse_exception(e))
            raise OSError(e.errno or 0, f"cannot connect to {addr}:{port}: {e}") from e
        self.s, self.connected = s, 1

    def close(self):
        self.connected = 0
        s, self.s = self.s, None
        if s is not None:
            try:
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            s.close()

    def wait(self, seconds, writing=False):
        """Sleeps until something can be read (or written)."""
        if self.s is not None:
            select.select([] if writing else [self.s], [self.s] if writing else [], [], max(0, seconds))

    def _recv(self, most):
        """What has arrived, at most so many bytes; None: nothing. Closes at the peer's end."""
        try:
            chunk = self.s.recv(most)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
        return chunk

    def get_chunks(self, fixed_limit=None, encoding="unicode"):
        """Reads into buf what there is; a blocking one waits for a whole line (or fixed_limit bytes), `timeout` s."""
        most = self.max_buf if fixed_limit is None else fixed_limit
        end, chunks = time.monotonic() + (self.timeout or 0), 0
        while self.connected and len(self.buf) < most and chunks < self.max_chunks:
            chunk = self._recv(min(self.chunk_size, most - len(self.buf)))
            if chunk:
                self.buf += chunk
                chunks += 1
            elif chunk is None:
                left = end - time.monotonic()
                enough = self.buf if fixed_limit is not None else self.delimiter in self.buf
                if not self.blocking or enough or left <= 0:
                    return
                self.wait(left)

    def parse_buf(self, encoding="unicode"):
        """Takes the whole lines out of buf. Empty ones are left out."""
        *lines, self.buf = self.buf.split(self.delimiter)
        return [encode_str(line, encoding) for line in lines if line]

    def fresh(self):
        self.get_chunks()
        return self.parse_buf()

    def send(self, msg, send_all=0, timeout=5, encoding="ascii"):
        """Sends bytes, or text as UTF-8, and gives how many bytes were taken; send_all: waits until all are."""
        data, total = octets(msg), 0
        end = time.monotonic() + (timeout or self.timeout or 0)
        while self.connected and total < len(data):
            try:
                total += self.s.send(data[total:total + 65536])
            except (BlockingIOError, ssl.SSLWantWriteError):
                left = end - time.monotonic()
                if not (send_all or self.blocking) or left <= 0:
                    break
                self.wait(left, writing=True)
            except OSError as e:
                log_exception(error_log_path, parse_exception(e))
                self.close()
                return 0
            if not send_all and total:
                break
        return total

    def send_line(self, msg, timeout=5):
        """Sends a line, CR LF added, and gives how many bytes that were; 0 if it is not connected."""
        assert len(msg)
        return self.send(octets(msg) + self.delimiter, send_all=1, timeout=timeout) if self.connected else 0

    def recv(self, n, encoding="unicode", timeout=5):
        """What has come, about n bytes, line ends and all."""
        assert n
        if self.blocking:
            self.timeout = timeout
        self.get_chunks(n)
        data, self.buf = self.buf, b""
        return encode_str(data, encoding)


class _Socket:
    """What programs ask of con.s: who is at the other end."""

    def __init__(self, con):
        self._con = con

    def getpeername(self):
        if not self._con.connected:
            raise OSError(errno.ENOTCONN, "the connection is closed")
        return (self._con.addr, self._con.port)

    def close(self):
        self._con.close()

    def __getattr__(self, name):
        gone(f"con.s.{name}", "connections of a net have no Python socket; use the methods of con, or "
                              "con.conn.take_socket()")


class Con(Sock):
    """A connection of a net."""

    def __init__(self, net, conn):
        Replies.__init__(self)
        #: The p2pnet.Conn underneath.
        self.conn = conn
        self._net = net
        self.blocking, self.timeout, self.interface = 0, 5, net.interface
        self.use_ssl, self.debug = 0, net.debug
        host, _, port = conn.peer.rpartition(":")
        self.addr, self.port = host.strip("[]"), int(port or 0)
        self.s = _Socket(self)
        self._unsent = b""

    @property
    def connected(self):
        return 0 if self.conn.closed or self.conn._closing else 1

    def connect(self, addr, port):
        gone("connect() of a net's connection", "net.add_node() and net.unl.connect() make new ones")

    def set_sock(self, s):
        gone("set_sock() of a net's connection", "make a Sock for a socket of your own")

    def reconnect(self):
        """Nothing: whoever is gone is connected to anew, as another connection."""

    def set_keep_alive(self, sock, after_idle_sec=5, interval_sec=60, max_fails=5):
        """Nothing: the library looks whether peers are alive (keepalive_ms, dead_peer_timeout_ms)."""

    def close(self):
        self.conn.close()

    def fresh(self):
        return self._net._filter(self.conn.waiting_lines())

    def wait(self, seconds, writing=False):
        try:
            self.replies.append(self.conn.read_line(seconds))
        except (ClosedError, P2pTimeout):
            pass

    def get_chunks(self, fixed_limit=None, encoding="unicode"):
        """Nothing: the library reads."""

    def parse_buf(self, encoding="unicode"):
        return []

    def send_line(self, msg, timeout=5):
        """Sends a line and gives how many bytes that were; 0 if it was not taken: closed, or no room for `timeout` s."""
        assert len(msg)
        data = octets(msg)
        try:
            self.conn.send_line(data, timeout)
        except (ClosedError, P2pTimeout):
            return 0
        except Error as e:
            log_exception(self._net.error_log_path, parse_exception(e))
            return 0
        return len(data) + len(self.delimiter)

    def send(self, msg, send_all=0, timeout=5, encoding="ascii"):
        """Sends bytes with the line ends in them. What has none yet is kept until its line is whole."""
        data = octets(msg)
        *lines, self._unsent = (self._unsent + data).split(self.delimiter)
        for line in lines:
            if line and not self.send_line(line, timeout):
                return 0
        return len(data) if self.connected else 0

    def recv(self, n, encoding="unicode", timeout=5):
        """The lines that have come, with their line ends, at most n bytes of them."""
        assert n
        self.update()
        if not self.replies and self.blocking and self.connected:
            self.wait(timeout)
        self.buf += b"".join(octets(line) + self.delimiter for line in self.replies)
        self.replies = []
        data, self.buf = self.buf[:n], self.buf[n:]
        return encode_str(data, encoding)
