#!/usr/bin/env python3
"""Reads locators of version 3, with nothing but Python's standard library and docs/unl.md.

  unl_v3.py tests/data/unl-v3-vectors.json    checks every vector, ends with a count
  unl_v3.py p2p3...                           shows what a locator says

It is slow, and careless about time and secrets: for checking the format only.
"""
import hashlib
import ipaddress
import json
import re
import string
import sys
import zlib

PREFIX = "p2p3"
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
DOMAIN = b"p2pnet UNL v3\0"
NODE_TYPES = [None, "passive", "active", "simultaneous"]
FORWARDING = ["none", "manual", "forwarded", "UPnP", "NATPMP", "PCP"]
NAT_TYPES = ["unknown", "none", "preserving", "delta", "reuse", "random"]
KINDS = [None, "lan", "wan", "mapped"]
NAME = re.compile(r"(?=.{1,253}$)(?!(.*\.)?[0-9]+$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*"
                  r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class Refused(Exception):
    """Not a locator."""


def need(condition, what):
    """Refuses what does not hold."""
    if not condition:
        raise Refused(what)


# Ed25519 as in RFC 8032, section 5.1: points are (x, y) on -x² + y² = 1 + d x² y² modulo P.
P = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    """The sum of two points."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P)


def times(n, point):
    """n times a point."""
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def point_of(data):
    """The point that 32 bytes stand for."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2 ** 255 - 1)
    need(y < P, "point: not in the field")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(x * x % P == square and not (x == 0 and sign), "point: not on the curve")
    return (x if x & 1 == sign else P - x, y)


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def verify(key, message, signature):
    """Whether a signature fits."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    need(s < ORDER, "signature: not reduced")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER
    need(times(s, BASE) == add(point_of(r), times(k, point_of(key))), "signature")


def public(secret):
    """The public key of a secret one."""
    scalar = int.from_bytes(hashlib.sha512(secret).digest()[:32], "little")
    x, y = times(scalar & (2 ** 254 - 8) | 2 ** 254, BASE)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def unbase64url(text):
    """The bytes of base64url without padding; only the one right spelling."""
    need(all(c in LETTERS for c in text), "letters")
    bits = "".join(format(LETTERS.index(c), "06b") for c in text)
    whole = len(bits) // 8 * 8
    need(len(bits) - whole < 6 and "1" not in bits[whole:], "ending")
    return bytes(int(bits[i:i + 8], 2) for i in range(0, whole, 8))


def number(data, limit):
    """A number without leading zeros, from 1 to limit."""
    need(data and data[0] != 0, "number: leading zeros")
    value = int.from_bytes(data, "big")
    need(value <= limit, "number: too large")
    return value


class Bytes:
    """Bytes to be taken from the front."""

    def __init__(self, data):
        self.data = data

    def take(self, n):
        """The next n."""
        need(len(self.data) >= n, "cut off")
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def address(self, family):
        """An address of a host."""
        need(family in (4, 6), "family")
        ip = ipaddress.ip_address(self.take(4 if family == 4 else 16))
        need(not (ip.is_multicast or ip.is_unspecified or str(ip) == "255.255.255.255"), "no host's address")
        need(family == 4 or ip.ipv4_mapped is None, "IPv4 as IPv6")
        return str(ip) if family == 4 else f"[{ip}]"

    def port(self):
        """A port."""
        return int.from_bytes(self.take(2), "big")


def places(value, one, most):
    """A list of places, none twice."""
    found = []
    while value.data:
        found.append(one(value))
    need(len(found) <= most and len(set(found)) == len(found), "too many, or one twice")
    return found


def candidate(value):
    """A candidate."""
    [head] = value.take(1)
    need(1 <= head & 15 < len(KINDS), "kind")
    return f"{KINDS[head & 15]} {value.address(head >> 4)}:{value.port()}"


def server(value):
    """A server."""
    [head] = value.take(1)
    need(head & 15 == 0, "kind of server")
    if head == 0:
        host = value.take(value.take(1)[0]).decode("latin-1")
        need(NAME.fullmatch(host), "host name")
    else:
        host = value.address(head >> 4)
    port = value.port()
    need(port != 0, "port 0")
    return f"{host}:{port}"


def nat(value, record):
    """What is known of the NAT."""
    kind, behaviour = value.take(2)
    rest = value.take(len(value.data))
    delta = number(rest, 2 * 65535) if rest else 0
    need(kind < 6 and behaviour >> 4 < 4 and behaviour & 15 < 5 and (kind, behaviour, delta) != (0, 0, 0), "NAT")
    record["nat_type"], record["mapping"], record["allocation"] = NAT_TYPES[kind], behaviour >> 4, behaviour & 15
    record["delta"] = -(delta + 1) // 2 if delta & 1 else delta // 2


def fields(rest):
    """What a node says."""
    record = {"network": None, "expires": None, "node_type": None, "forwarding": "none", "nat_type": "unknown",
              "mapping": 0, "allocation": 0, "delta": 0, "candidates": [], "servers": [], "relays": []}
    last = 0
    while rest.data:
        tag, length = rest.take(2)
        need(tag > last and length > 0, "order, or empty")
        last, value = tag, Bytes(rest.take(length))
        if tag == 1:
            record["network"] = value.take(16).hex()
        elif tag == 2:
            record["expires"] = number(value.take(length), 2 ** 40 - 1)
        elif tag == 3:
            [byte] = value.take(1)
            need(byte != 0 and byte >> 4 < len(FORWARDING) and byte & 15 < len(NODE_TYPES), "node type")
            record["forwarding"], record["node_type"] = FORWARDING[byte >> 4], NODE_TYPES[byte & 15]
        elif tag == 4:
            nat(value, record)
        elif tag == 5:
            record["candidates"] = places(value, candidate, 8)
        elif tag == 6:
            record["servers"] = places(value, server, 3)
        elif tag == 7:
            record["relays"] = places(value, server, 4)
        else:
            continue
        need(not value.data, "too long a field")
    return record


def read(text):
    """The key and the record of a locator."""
    need(text.startswith(PREFIX) and len(text) <= 964, "prefix or length")
    data = unbase64url(text[len(PREFIX):])
    need(103 <= len(data) <= 720 and int.from_bytes(data[1:3], "big") == len(data), "length")
    need(int.from_bytes(data[-4:], "big") == zlib.crc32(data[:-4]), "checksum")
    need(data[0] == 1, "layout")
    key, signed, signature = data[3:35], data[:-68], data[-68:-4]
    verify(key, DOMAIN + signed, signature)
    return key, fields(Bytes(data[35:-68]))


def check(vectors):
    """Checks every vector; gives the faults and how many there were."""
    faults, count = [], 0
    for vector in vectors["locators"]:
        count += 1
        try:
            key, record = read(vector["text"])
            need(key.hex() == vector["identity"] and key == public(bytes.fromhex(vector["secret"])), "another key")
            need(record == vector["record"], f"{record} is not {vector['record']}")
            need(unbase64url(vector["text"][len(PREFIX):]).hex() == vector["record_hex"], "other bytes")
            need(len(vector["text"]) == vector["length"], "length")
        except Refused as fault:
            faults.append(f"{vector['what']}: {fault}")
    for vector in vectors["refused"]:
        count += 1
        try:
            read(vector["text"])
            faults.append(f"read, though {vector['says']}: {vector['text']}")
        except Refused:
            pass
    return faults, count


def main():
    """What stands at the top."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1].startswith(PREFIX):
        key, record = read(sys.argv[1])
        print(json.dumps({"identity": key.hex(), **record}, indent=1))
        return
    with open(sys.argv[1], encoding="utf-8") as file:
        faults, count = check(json.load(file))
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"{count - len(faults)} passed, {len(faults)} failed")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
