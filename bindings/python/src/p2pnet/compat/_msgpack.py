"""MessagePack, as much as PyP2P's DHT messages need: None, bool, int, float, text, bytes, lists, dictionaries."""
import struct

DEEPEST = 32


def pack(value, _depth=0):
    """Bytes for a value, each in its shortest form (floats in 8 bytes)."""
    if _depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        return _head(len(data), (0xa0, 32), (0xd9, 0xda, 0xdb)) + data
    if isinstance(value, (bytes, bytearray)):
        return _head(len(value), None, (0xc4, 0xc5, 0xc6)) + bytes(value)
    if isinstance(value, (list, tuple)):
        head = _head(len(value), (0x90, 16), (None, 0xdc, 0xdd))
        return head + b"".join(pack(each, _depth + 1) for each in value)
    if isinstance(value, dict):
        head = _head(len(value), (0x80, 16), (None, 0xde, 0xdf))
        return head + b"".join(pack(each, _depth + 1) for pair in value.items() for each in pair)
    raise TypeError(f"a {type(value).__name__} cannot be sent; expected None, bool, int, float, str, bytes, list or dict")


def _pack_int(value):
    if 0 <= value < 128:
        return struct.pack("B", value)
    if -32 <= value < 0:
        return struct.pack("b", value)
    for code, form in ((0xcc, ">B"), (0xcd, ">H"), (0xce, ">I"), (0xcf, ">Q")) if value >= 0 else (
            (0xd0, ">b"), (0xd1, ">h"), (0xd2, ">i"), (0xd3, ">q")):
        try:
            return struct.pack("B", code) + struct.pack(form, value)
        except struct.error:
            continue
    raise ValueError(f"{value} is too large; expected a number of 64 bits")


def _head(length, short, codes):
    """What says how long something is: in one byte if it is short, else a code and 1, 2 or 4 bytes."""
    if short and length < short[1]:
        return struct.pack("B", short[0] | length)
    for code, form, most in zip(codes, (">B", ">H", ">I"), (1 << 8, 1 << 16, 1 << 32)):
        if code is not None and length < most:
            return struct.pack("B", code) + struct.pack(form, length)
    raise ValueError(f"too long: {length}")


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        end = self.at + count
        if end > len(self.data):
            raise ValueError("it ends in the middle of a value")
        part, self.at = self.data[self.at:end], end
        return part

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self, depth=0):
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xe0:
            return code - 256
        if code < 0x90:
            return self.pairs(code & 15, depth)
        if code < 0xa0:
            return [self.value(depth + 1) for _ in range(code & 15)]
        if code < 0xc0:
            return self.text(code & 31)
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            return self.number(_NUMBERS[code])
        kind = _LENGTHS.get(code)
        if kind is None:
            raise ValueError(f"0x{code:02x} begins nothing that is known here")
        count = self.number(kind[1])
        if count > len(self.data) - self.at:
            raise ValueError("it says that more follows than there is")
        if kind[0] == "text":
            return self.text(count)
        if kind[0] == "bytes":
            return self.take(count)
        if kind[0] == "list":
            return [self.value(depth + 1) for _ in range(count)]
        return self.pairs(count, depth)

    def text(self, count):
        return self.take(count).decode("utf-8", "replace")

    def pairs(self, count, depth):
        result = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if isinstance(key, (list, dict)):
                raise ValueError("a list or dictionary is a key")
            result[key] = self.value(depth + 1)
        return result


_CONSTANTS = {0xc0: None, 0xc2: False, 0xc3: True}
_NUMBERS = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i",
            0xd3: ">q"}
_LENGTHS = {0xd9: ("text", ">B"), 0xda: ("text", ">H"), 0xdb: ("text", ">I"), 0xc4: ("bytes", ">B"),
            0xc5: ("bytes", ">H"), 0xc6: ("bytes", ">I"), 0xdc: ("list", ">H"), 0xdd: ("list", ">I"),
            0xde: ("pairs", ">H"), 0xdf: ("pairs", ">I")}


def unpack(data):
    """The first value in the bytes; what follows it is not looked at. ValueError if there is none."""
    return _Reader(bytes(data)).value()
