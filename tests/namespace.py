#!/usr/bin/env python3
"""What needs a network of its own: alias labels, peers that die without a word, name servers that do not answer.

PyP2P's guide gives eth0 two more addresses with the labels eth0:1 and eth0:2 and lets Bob and Alice each use one. Here lo
gets them, in a network namespace that is gone with this process, so the machine's set-up is not touched. A peer dies by lo
going down: nothing arrives any more and nobody says so. Names are looked up at a server that never answers.
"""
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.debug import BUILD, LIBRARY

ROOT = Path(__file__).resolve().parent.parent
OPT_CONNECT_TIMEOUT_MS, OPT_LOG_LEVEL, OPT_KEEPALIVE_MS, OPT_DEAD_PEER_TIMEOUT_MS, OPT_INTERFACE = 15, 16, 29, 30, 1002
OPT_CLOSE_TIMEOUT_MS, OPT_NETWORK_MONITOR, OPT_DIALECT, OPT_RESUME_GRACE_MS, CLASSIC, SECURE = 28, 37, 38, 45, 1, 2
INVALID, TIMEOUT = -1, -20
OPENED, CLOSED, DONE = 4, 5, 9


class Info(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("node_type", ctypes.c_int32), ("nat", ctypes.c_int32),
                ("reachable", ctypes.c_int32), ("passive_port", ctypes.c_uint32), ("inbound", ctypes.c_uint32),
                ("outbound", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("lan_ip", ctypes.c_char * 64),
                ("wan_ip", ctypes.c_char * 64)]


class Error(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("code", ctypes.c_int32), ("os_error", ctypes.c_int32),
                ("message", ctypes.c_char * 244)]


class Event(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("kind", ctypes.c_int32), ("conn", ctypes.c_uint64),
                ("request", ctypes.c_uint64), ("result", ctypes.c_int32), ("os_error", ctypes.c_int32),
                ("code", ctypes.c_int32), ("reserved", ctypes.c_uint32), ("data", ctypes.c_char_p),
                ("len", ctypes.c_size_t), ("peer", ctypes.c_char_p)]


def load():
    lib = ctypes.CDLL(str(LIBRARY))
    lib.p2p_config_new.restype = ctypes.c_void_p
    for name in ("p2p_net_start", "p2p_net_free", "p2p_wait", "p2p_next_event", "p2p_net_get_info", "p2p_connect",
                 "p2p_config_set_str", "p2p_config_set_int", "p2p_event_free"):
        getattr(lib, name).argtypes = None
    return lib


def start(lib, interface, **options):
    """A node on that interface: the net, or the error's text."""
    cfg, net, error = ctypes.c_void_p(lib.p2p_config_new()), ctypes.c_void_p(), Error(ctypes.sizeof(Error))
    assert lib.p2p_config_set_str(cfg, OPT_INTERFACE, interface.encode(), ctypes.byref(error)) == 0, error.message
    # p2p_net_free() waits twice the close time-out and a second; a thread may not get the CPU for longer than 3 s.
    for key, value in {OPT_LOG_LEVEL: 0, OPT_CLOSE_TIMEOUT_MS: 10_000, **options.get("numbers", {})}.items():
        assert lib.p2p_config_set_int(cfg, key, ctypes.c_int64(value), ctypes.byref(error)) == 0, error.message
    assert lib.p2p_net_new(cfg, ctypes.byref(net), ctypes.byref(error)) == 0, error.message
    lib.p2p_config_free(cfg)
    code = lib.p2p_net_start(net, ctypes.byref(error))
    return (net, None) if code == 0 else (net, (code, error.message.decode()))


def info(lib, net):
    now = Info(ctypes.sizeof(Info))
    assert lib.p2p_net_get_info(net, ctypes.byref(now)) == 0
    return now


def next_event(lib, net, wanted):
    """The next event of that kind, as (conn, result, data, peer)."""
    event = ctypes.POINTER(Event)()
    while True:
        assert lib.p2p_wait(net, 60_000) == 1, f"hung: no event {wanted} within a minute"
        while lib.p2p_next_event(net, ctypes.byref(event)) == 1:
            e = event.contents
            found = (e.kind, e.conn, e.result, e.data.decode(), e.peer.decode())
            lib.p2p_event_free(event)
            if found[0] == wanted:
                return found[1:]


def connected(lib, numbers):
    """Bob, connected to Alice, and his connection."""
    bob, error = start(lib, "lo:1", numbers=numbers)
    assert not error, error
    alice, error = start(lib, "lo:2", numbers=numbers)
    assert not error, error
    to = f"192.168.0.45:{info(lib, alice).passive_port}".encode()
    assert lib.p2p_connect(bob, to, None, None, None, None) == 0
    return bob, alice, next_event(lib, bob, OPENED)[0]


def ip(command):
    subprocess.run(["ip", *command.split()], check=True)


def interfaces(lib):
    bob, error = start(lib, "lo:1")
    assert not error, error
    alice, error = start(lib, "lo:2")
    assert not error, error
    assert info(lib, bob).lan_ip == b"192.168.0.44" and info(lib, alice).lan_ip == b"192.168.0.45"
    yield "alias labels name their addresses"
    to = f"192.168.0.45:{info(lib, alice).passive_port}".encode()
    assert lib.p2p_connect(bob, to, None, None, None, None) == 0
    assert next_event(lib, alice, OPENED)[3].startswith("192.168.0.44:")
    yield "a connection leaves from its node's interface"
    by_address, error = start(lib, "192.168.0.45")
    assert not error and info(lib, by_address).lan_ip == b"192.168.0.45", error
    yield "an address names its interface"
    nobody, error = start(lib, "eth7:3")
    assert error and error[0] == INVALID and "eth7:3" in error[1] and "lo:2" in error[1], error
    yield "an unknown one is refused with a list of those there are"
    for net in (bob, alice, by_address, nobody):
        assert lib.p2p_net_free(net) == 0


def dead_peers(lib):
    # Else a secure connection would wait for the peer to come back by another link, and end when the system tells that lo is down.
    secure = {OPT_DIALECT: SECURE, OPT_RESUME_GRACE_MS: 0, OPT_NETWORK_MONITOR: 0}
    classic = {OPT_DIALECT: CLASSIC}
    for what, line, dialect in (("a peer that dies while data is on its way is noticed", b"are you there?", classic),
                                ("a peer that dies in silence is noticed", None, classic),
                                ("a secure peer that dies while data is on its way is noticed", b"are you there?", secure),
                                ("a secure peer that dies in silence is noticed", None, secure)):
        # One second is the shortest that the system takes for keep-alive. With data on its way there is none: nothing is noticed
        # before that is sent, however late.
        quick = {OPT_KEEPALIVE_MS: 60_000 if line else 1000, OPT_DEAD_PEER_TIMEOUT_MS: 1500}
        bob, alice, conn = connected(lib, {**quick, **dialect})
        next_event(lib, alice, OPENED)
        ip("link set lo down")
        if line:
            assert lib.p2p_send_line(bob, ctypes.c_uint64(conn), line, ctypes.c_size_t(len(line))) == 0
        gone, result, reason, _ = next_event(lib, bob, CLOSED)
        assert (gone, result) == (conn, TIMEOUT), (gone, result, reason)
        yield what
        ip("link set lo up")
        for net in (bob, alice):
            assert lib.p2p_net_free(net) == 0


def threads_named(name):
    found = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found += Path(task, "comm").read_text().strip() == name
    return found


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "hung"
        time.sleep(0.001)


def hanging_names(lib):
    # A name server that takes the question and never answers; the system gives up after ten seconds.
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    server.settimeout(60)
    net, error = start(lib, "lo:1", numbers={OPT_CONNECT_TIMEOUT_MS: 200})
    assert not error, error
    assert lib.p2p_connect(net, b"no-such-host.invalid:7", None, None, None, None) == 0
    server.recv(512)
    _, result, reason, _ = next_event(lib, net, DONE)
    assert result == TIMEOUT and "no-such-host.invalid" in reason, (result, reason)
    assert threads_named("p2pnet-dns") == 1, "the look-up has ended: this shows nothing"
    yield "a look-up that hangs ends in time for the program"
    assert lib.p2p_net_free(net) == 0
    until(lambda: threads_named("p2pnet") == 0)  # one that has ended is still listed for a moment
    assert threads_named("p2pnet-dns") == 1, "the look-up has ended: this shows nothing"
    yield "freeing a net does not wait for a look-up that hangs"


def inside():
    resolver = Path(tempfile.mkdtemp()) / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    for command in ("link set lo up", "addr add 192.168.0.44/24 dev lo label lo:1",
                    "addr add 192.168.0.45/24 dev lo label lo:2"):
        ip(command)
    lib, passed = load(), 0
    for test in (hanging_names, interfaces, dead_peers):
        for what in test(lib):
            print(f"ok: {what}", flush=True)
            passed += 1
    print(f"{passed} passed, 0 failed")


def main():
    if len(sys.argv) > 1:
        return inside()
    if not shutil.which("unshare") or not shutil.which("ip"):
        print("skipped: unshare and ip (iproute2) are needed\n0 passed, 0 failed, 10 skipped")
        return None
    if subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode != 0:
        print("skipped: this machine allows no network namespaces here\n0 passed, 0 failed, 10 skipped")
        return None
    subprocess.run(BUILD, cwd=ROOT, check=True)
    return os.execvp("unshare", ["unshare", "-rnm", sys.executable, __file__, "inside"])


if __name__ == "__main__":
    main()
