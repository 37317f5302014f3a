#!/usr/bin/env python3
"""Interfaces by name, alias label and address, as PyP2P's guide sets them up, in a network namespace of its own.

The guide gives eth0 two more addresses with the labels eth0:1 and eth0:2 and lets Bob and Alice each use one. Here lo gets
them, in a namespace that is gone with this process, so the machine's set-up is not touched.
"""
import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "target" / "debug" / "libp2pnet.so"
OPT_NODE_TYPE, OPT_LOG_LEVEL, OPT_INTERFACE = 1, 16, 1002
INVALID = -1


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


def start(lib, interface):
    """A node on that interface: the net, or the error's text."""
    cfg, net, error = ctypes.c_void_p(lib.p2p_config_new()), ctypes.c_void_p(), Error(ctypes.sizeof(Error))
    assert lib.p2p_config_set_str(cfg, OPT_INTERFACE, interface.encode(), ctypes.byref(error)) == 0, error.message
    lib.p2p_config_set_int(cfg, OPT_LOG_LEVEL, ctypes.c_int64(0), None)
    assert lib.p2p_net_new(cfg, ctypes.byref(net), ctypes.byref(error)) == 0, error.message
    code = lib.p2p_net_start(net, ctypes.byref(error))
    return (net, None) if code == 0 else (net, (code, error.message.decode()))


def info(lib, net):
    now = Info(ctypes.sizeof(Info))
    assert lib.p2p_net_get_info(net, ctypes.byref(now)) == 0
    return now


def peer_of_next_opened(lib, net):
    event = ctypes.POINTER(Event)()
    while True:
        assert lib.p2p_wait(net, 60_000) == 1, "hung: no OPENED within a minute"
        while lib.p2p_next_event(net, ctypes.byref(event)) == 1:
            kind, peer = event.contents.kind, event.contents.peer.decode()
            lib.p2p_event_free(event)
            if kind == 4:
                return peer


def inside():
    for command in ("link set lo up", "addr add 192.168.0.44/24 dev lo label lo:1",
                    "addr add 192.168.0.45/24 dev lo label lo:2"):
        subprocess.run(["ip", *command.split()], check=True)
    lib, passed = load(), 0
    bob, error = start(lib, "lo:1")
    assert not error, error
    alice, error = start(lib, "lo:2")
    assert not error, error
    assert info(lib, bob).lan_ip == b"192.168.0.44" and info(lib, alice).lan_ip == b"192.168.0.45"
    print("ok: alias labels name their addresses")
    passed += 1
    to = f"192.168.0.45:{info(lib, alice).passive_port}".encode()
    assert lib.p2p_connect(bob, to, None, None, None, None) == 0
    assert peer_of_next_opened(lib, alice).startswith("192.168.0.44:")
    print("ok: a connection leaves from its node's interface")
    passed += 1
    by_address, error = start(lib, "192.168.0.45")
    assert not error and info(lib, by_address).lan_ip == b"192.168.0.45", error
    print("ok: an address names its interface")
    passed += 1
    nobody, error = start(lib, "eth7:3")
    assert error and error[0] == INVALID and "eth7:3" in error[1] and "lo:2" in error[1], error
    print("ok: an unknown one is refused with a list of those there are")
    passed += 1
    for net in (bob, alice, by_address, nobody):
        assert lib.p2p_net_free(net) == 0
    print(f"{passed} passed, 0 failed")


def main():
    if len(sys.argv) > 1:
        return inside()
    if not shutil.which("unshare") or not shutil.which("ip"):
        print("skipped: unshare and ip (iproute2) are needed\n0 passed, 0 failed, 4 skipped")
        return None
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0:
        print("skipped: this machine allows no network namespaces here\n0 passed, 0 failed, 4 skipped")
        return None
    subprocess.run(["cargo", "build", "--quiet", "--features", "server,testing"], cwd=ROOT, check=True)
    return os.execvp("unshare", ["unshare", "-rn", sys.executable, __file__, "inside"])


if __name__ == "__main__":
    main()
