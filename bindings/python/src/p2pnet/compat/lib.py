"""PyP2P's helpers: addresses, ports, the time. None of them is needed by the nets.

What they ask, they ask of the servers in net.forwarding_servers and in ntp_servers here; both are empty unless the program
fills them, so nobody on the internet is asked by surprise.
"""
import functools
import http.client
import ipaddress
import random
import re
import select
import socket
import struct
import sys
import time
import traceback
import urllib.parse

#: "host" or "host:port" each. PyP2P had the public pool here.
ntp_servers = []
NTP_TO_UNIX = 2208988800


def _text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else value


def is_ip_valid(ip_addr):
    try:
        ipaddress.ip_address(_text(ip_addr))
        return 1
    except ValueError:
        return 0


def is_ip_private(ip_addr):
    ip_addr = _text(ip_addr)
    return int(ipaddress.ip_address(ip_addr).is_private and ip_addr != "127.0.0.1")


def is_ip_public(ip_addr):
    return int(not is_ip_private(ip_addr) and _text(ip_addr) != "127.0.0.1")


def is_valid_port(port):
    try:
        return int(1 <= int(port) <= 65535)
    except (TypeError, ValueError):
        return 0


def ip2int(addr):
    return struct.unpack("!I", socket.inet_aton(addr))[0]


def int2ip(addr):
    return socket.inet_ntoa(struct.pack("!I", addr))


def extract_ip(s):
    """The first thing in s that looks like an IPv4 address, "" if there is none."""
    found = re.search(r"[0-9]{1,3}(?:[.][0-9]{1,3}){3}", s)
    return found[0] if found else ""


def _interface_ip(interface):
    """The IPv4 address of an interface or alias label ("eth0:2"), by name; None if it has none."""
    try:
        import fcntl
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            request = struct.pack("256s", interface.encode("utf-8")[:15])
            return socket.inet_ntoa(fcntl.ioctl(s.fileno(), 0x8915, request)[20:24])  # SIOCGIFADDR
    except (ImportError, OSError):
        return None


def get_lan_ip(interface="default"):
    """The address that connections leave from, of this interface or of the default route. None if there is none."""
    interface = _text(interface)
    if interface != "default":
        return interface if is_ip_valid(interface) else _interface_ip(interface)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing: it only looks the route up
            return s.getsockname()[0]
        except OSError:
            return None


def get_default_gateway(interface="default"):
    """The router's address (Linux; elsewhere None)."""
    interface = _text(interface)
    try:
        with open("/proc/net/route", encoding="ascii") as routes:
            for line in list(routes)[1:]:
                fields = line.split()
                if fields[1] == "00000000" and interface in ("default", fields[0]):
                    return socket.inet_ntoa(struct.pack("=I", int(fields[2], 16)))
    except (OSError, IndexError, ValueError):
        pass
    return None


def get_unused_port(port=None):
    """That port if it is free, else another one that is."""
    if port is None or not 1024 <= port <= 65535:
        port = 0
    for wanted in (port, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            try:
                s.bind(("", wanted))
                return s.getsockname()[1]
            except OSError:
                if not wanted:
                    raise
    return None


def sequential_bind(n, interface="default"):
    """n sockets bound to ports in a row: [{"source": port, "sock": socket}, ...]."""
    address = "" if interface == "default" else get_lan_ip(interface)
    while True:
        start, mappings = random.randrange(1024, 65535 - n), []
        try:
            for port in range(start, start + n):
                s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                mappings.append({"source": port, "sock": s})
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((address, port))
            return mappings
        except OSError:
            for mapping in mappings:
                mapping["sock"].close()


def http_get(url, timeout, most=64 * 1024, source=None, began=None):
    """The body of http://host[:port]/path?query as text, at most so many bytes. Asks no proxy, follows nothing.

    began: a function that is given the connection, for those who want to break it off.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} cannot be asked; expected http://host:port/path")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout,
                                            source_address=(source, 0) if source else None)
    try:
        connection.connect()
        if began is not None:
            began(connection)
        connection.request("GET", (parts.path or "/") + ("?" + parts.query if parts.query else ""))
        body = connection.getresponse().read(most + 1)
    finally:
        connection.close()
    if len(body) > most:
        raise ValueError(f"the answer of {parts.netloc} is longer than {most} bytes")
    return body.decode("utf-8", "replace")


def _script(server, **query):
    """The URL of an entry of forwarding_servers, with a query."""
    return f"http://{server['addr']}:{server['port']}{server['url']}?{urllib.parse.urlencode(query)}"


def is_port_forwarded(source_ip, port, proto, forwarding_servers):
    """1 if one of the servers reaches that port of ours."""
    for server in forwarding_servers:
        try:
            url = _script(server, action="is_port_forwarded", port=port, proto=proto.upper())
            if "yes" in http_get(url, 3, source=source_ip):
                return 1
        except (OSError, ValueError, http.client.HTTPException):
            continue
    return 0


_wan_ips = []


def get_wan_ip(n=0):
    """This machine's address as the first of net.forwarding_servers that answers sees it, asked once; None if none does."""
    from .net import forwarding_servers
    if _wan_ips:
        return _wan_ips[0]
    for server in forwarding_servers:
        try:
            ip = extract_ip(http_get(_script(server, action="get_wan_ip"), 5))
        except (OSError, ValueError, http.client.HTTPException):
            continue
        if is_ip_valid(ip):
            _wan_ips.append(ip)
            return ip
    return None


def get_ntp_worker(server):
    """The time (Unix, seconds) by one NTP server; None if it does not answer."""
    host, _, port = server.partition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect((host, int(port or 123)))
            s.send(b"\x1b" + bytes(47))
            answer = s.recv(512)
    except (OSError, ValueError):
        return None
    if len(answer) < 48 or answer[0] & 7 != 4 or answer[1] == 0:
        return None
    seconds, fraction = struct.unpack("!II", answer[40:48])
    return seconds - NTP_TO_UNIX + fraction / 2**32


def get_ntp(local_time=0):
    """The time by one of ntp_servers; None if none answers. local_time: by this system instead."""
    if local_time:
        return time.time()
    for server in random.sample(ntp_servers, len(ntp_servers)):
        ntp = get_ntp_worker(server)
        if ntp is not None:
            return ntp
    return None


def busy_wait(dt):
    """Waits without giving up the processor."""
    end = time.perf_counter() + dt
    while time.perf_counter() < end:
        pass


def request_priority_execution():
    """Nothing: it was for PyP2P's hole punching, which the library does on a thread of its own."""


def release_priority_execution(p):
    """Nothing; see request_priority_execution()."""


def log_exception(file_path, msg):
    if file_path:
        with open(file_path, "a", encoding="utf-8") as log_file:
            log_file.write("\r\n" + msg)


def parse_exception(e, output=0):
    error = "".join(traceback.format_exception(type(e), e, e.__traceback__))
    if output:
        print(error)
    return error


def encode_str(s, encoding="unicode"):
    """"ascii": bytes of text; "unicode": text of bytes. UTF-8 both ways (PyP2P wrote Latin-1 and read UTF-8)."""
    if isinstance(s, str):
        return s.encode("utf-8", "surrogateescape")
    return s.decode("utf-8", "replace") if encoding == "unicode" else s


def memoize(function):
    return functools.lru_cache(maxsize=None)(function)
