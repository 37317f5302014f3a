"""The numbers of include/p2pnet.h. Written by make_constants.py: change the header, then run that."""
from enum import IntEnum, IntFlag

VERSION = "0.1.0"
ADDR_LEN = 64
CON_ID_LEN = 72
HOST_LEN = 264
UNL_CANDIDATES = 8


class Result(IntEnum):
    """What a call or a request came to. Zero is success, negative is failure; p2p_strerror() says it in words."""

    OK = 0
    INVALID = -1
    PANIC = -2
    CLOSED = -3
    STATE = -4
    BUSY = -5
    REENTRANT = -6
    UNSUPPORTED = -7
    NOT_FOUND = -8
    RANGE = -9
    WOULD_BLOCK = -10
    TOO_LARGE = -11
    TOO_SMALL = -12
    LIMIT = -13
    SELF = -14
    DUPLICATE = -15
    TIMEOUT = -20
    CANCELED = -21
    REFUSED = -22
    RESET = -23
    PROTOCOL = -24
    NO_PATH = -25
    NO_SERVER = -26
    IO = -27


class EventKind(IntEnum):
    """What an event is about. Ignore kinds you do not know."""

    READY = 1
    STOPPED = 2
    INFO = 3
    OPENED = 4
    CLOSED = 5
    LINE = 6
    DATA = 7
    WRITABLE = 8
    DONE = 9
    DHT_SEND = 10
    LOG = 11
    DHT_MESSAGE = 12
    PATH = 13
    MESSAGE = 14


class NodeType(IntEnum):
    """How others reach a node; PyP2P's names."""

    UNKNOWN = 0
    PASSIVE = 1
    ACTIVE = 2
    SIMULTANEOUS = 3


class Nat(IntEnum):
    """The NAT in front of a node; PyP2P's names."""

    UNKNOWN = 0
    NONE = 1
    PRESERVING = 2
    DELTA = 3
    REUSE = 4
    RANDOM = 5


class Fwd(IntFlag):
    """Ways to open a port on the router, as bits."""

    NONE = 0
    MANUAL = 1
    UPNP = 2
    NATPMP = 4
    PCP = 8


class Mapping(IntEnum):
    """How long the NAT keeps one outside port for one local port (RFC 4787, section 4.1)."""

    UNKNOWN = 0
    ENDPOINT_INDEPENDENT = 1
    ADDRESS_DEPENDENT = 2
    ADDRESS_AND_PORT_DEPENDENT = 3


class Allocation(IntEnum):
    """How the NAT chooses an outside port (RFC 4787, section 4.2)."""

    UNKNOWN = 0
    PRESERVING = 1
    DELTA = 2
    SEQUENTIAL = 3
    RANDOM = 4


class Unsolicited(IntEnum):
    """What becomes of a connection from outside that nobody here asked for."""

    UNKNOWN = 0
    DROPPED = 1
    RESET = 2
    UNREACHABLE = 3


class Via(IntEnum):
    """How a connection came to be."""

    ACCEPT = 1
    DIRECT = 2
    LAN = 3
    PUNCH = 4
    REVERSE = 5
    RELAY = 6


class Path(IntEnum):
    """What was last heard of the link that carries a connection (secure dialect)."""

    FIRST = 0
    LOST = 1
    RESUMED = 2
    MOVED = 3


class CandidateKind(IntEnum):
    """Kinds of addresses in a locator."""

    NONE = 0
    LAN = 1
    WAN = 2
    MAPPED = 3


class NetType(IntEnum):
    """What a net is for."""

    P2P = 1
    DIRECT = 2


class Dialect(IntEnum):
    """How a node speaks with others. A net speaks one dialect; nothing on the wire chooses between them."""

    CLASSIC = 1
    SECURE = 2


class Framing(IntEnum):
    """How received bytes become events."""

    LINES = 0
    RAW = 1


class Log(IntEnum):
    """How much is logged."""

    OFF = 0
    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4
    TRACE = 5


class Opt(IntEnum):
    """The options of p2p_config_set_int() (below 1000) and p2p_config_set_str() (from 1001). Times are in milliseconds, sizes in bytes, switches 0 or 1. The default stands first."""

    NODE_TYPE = 1
    NET_TYPE = 2
    NAT_TYPE = 3
    PASSIVE_PORT = 4
    MAX_INBOUND = 5
    MAX_OUTBOUND = 6
    MIN_CONNECTED = 7
    FORWARDING = 8
    BOOTSTRAP = 9
    DEDUP = 10
    FRAMING = 11
    MAX_LINE = 12
    SEND_BUFFER = 13
    RECV_BUFFER = 14
    CONNECT_TIMEOUT_MS = 15
    LOG_LEVEL = 16
    LOG_FD = 17
    SEED = 18
    ADVERTISE = 19
    SIMULTANEOUS = 20
    DUPLICATE_IP = 21
    DEDUP_ENTRIES = 22
    DEDUP_TTL_MS = 23
    EVENT_QUEUE = 24
    MAX_REQUESTS = 25
    HANDSHAKE_TIMEOUT_MS = 26
    SERVER_TIMEOUT_MS = 27
    CLOSE_TIMEOUT_MS = 28
    KEEPALIVE_MS = 29
    DEAD_PEER_TIMEOUT_MS = 30
    BOOTSTRAP_INTERVAL_MS = 31
    ADVERTISE_INTERVAL_MS = 32
    RETRY_INTERVAL_MS = 33
    START_TIMEOUT_MS = 34
    MAPPING_LEASE_MS = 35
    VERIFY_INTERVAL_MS = 36
    NETWORK_MONITOR = 37
    DIALECT = 38
    UNL_CONNECT_TIMEOUT_MS = 39
    UNL_LIFETIME_MS = 40
    PUNCH_HALF_OPEN = 41
    PUNCH_PER_MINUTE = 42
    LOCAL_PEERS = 43
    RELAY = 44
    RESUME_GRACE_MS = 45
    RESEND_WINDOW = 46
    MAX_MESSAGE = 47
    LINK_TIMEOUT_MS = 48
    MAINLINE = 50
    MAINLINE_SLOTS = 51
    MAINLINE_POLL_MS = 52
    RELAY_SESSIONS = 53
    RELAY_PER_ADDRESS = 54
    RELAY_RATE = 55
    RELAY_RATE_IN_ALL = 56
    RELAY_BYTES = 57
    RELAY_IDLE_MS = 58
    LEASE = 59
    SPIN_US = 60
    PASSIVE_BIND = 1001
    INTERFACE = 1002
    WAN_IP = 1003
    GATEWAY = 1004
    STATE_DIR = 1005
    NETWORK = 1006
    KEY = 1007
    KEY_FILE = 1008
    NETWORK_KEY = 1009


class Server(IntEnum):
    """Kinds of servers for p2p_config_add_server()."""

    RENDEZVOUS = 1
    REACHABILITY = 2
    NTP = 3
    DHT = 4
    MAINLINE = 5
    RELAY = 6


class Mainline(IntFlag):
    """Bits of P2P_OPT_MAINLINE: what a net tells in BitTorrent's DHT. It looks peers and nodes up there in any case."""

    PUBLISH = 1
    ANNOUNCE = 2
    LETTERS = 4


class Classic(IntFlag):
    """What p2p_unl_connect_classic() is to do otherwise than PyP2P does by default; bits."""

    DEFAULT = 0
    NOT_MASTER = 1
    NO_HAIRPIN = 2
