"""The figures that works give: what each is, in which unit it is shown, and whether more is better."""

from typing import NamedTuple


class Figure(NamedTuple):
    text: str
    unit: str
    factor: float  # from what the program says to the unit
    more_is_better: bool


FIGURES = {
    "lines_per_s": Figure("lines/s", "thousand", 1e-3, True),
    "cpu_s_per_million": Figure("CPU s per million lines, both ends", "s", 1, False),
    "p50_us": Figure("round trip p50", "us", 1, False),
    "p99_us": Figure("round trip p99", "us", 1, False),
    "cpu_us": Figure("CPU per round trip, client", "us", 1, False),
    "setup_ms": Figure("set up all", "ms", 1, False),
    "client_bytes": Figure("RSS per connection, client", "KiB", 1 / 1024, False),
    "server_bytes": Figure("RSS per connection, server", "KiB", 1 / 1024, False),
    "crowd_rss": Figure("RSS of the whole process", "MiB", 1 / 1024 / 1024, False),
    "poll_ns": Figure("a look that finds nothing", "ns", 1, False),
    "wakeups_per_s": Figure("wake-ups/s when idle", "", 1, False),
    "broadcast_us": Figure("a line to all, and an answer", "ms", 1e-3, False),
    "idle_bytes": Figure("RSS added", "KiB", 1 / 1024, False),
    "threads": Figure("threads added", "", 1, False),
    "ready_us": Figure("create to ready", "us", 1, False),
    "close_us": Figure("close and free", "us", 1, False),
    "wire_out": Figure("bytes sent per line beyond its 64", "", 1, False),
    "wire_back": Figure("bytes that come back per line", "", 1, False),
    "wire_packets": Figure("packets per line, both ways", "", 1, False),
    "meet_cpu_us": Figure("CPU per connection, accepting node", "us", 1, False),
    "meet_per_core": Figure("that is, connections/s of one core", "", 1, True),
    "meet_client_cpu_us": Figure("CPU per connection, connecting node", "us", 1, False),
    "meet_p50_us": Figure("connect to opened p50", "us", 1, False),
    "meet_bytes": Figure("RSS per open connection, accepting node", "KiB", 1 / 1024, False),
    "meet_busy": Figure("turned away as busy", "", 1, False),
    "stranger_cpu_us": Figure("CPU per stranger", "us", 1, False),
    "stranger_answered": Figure("answered, of all", "", 1, False),
    "stranger_rss": Figure("RSS added by all", "KiB", 1 / 1024, False),
    "relay_cpu_s_per_gb": Figure("CPU s of the relay per GB", "", 1, False),
    "relay_gb_per_core": Figure("that is, GB/s of one core", "", 1, True),
    "relay_gb_per_s": Figure("GB/s through it", "", 1, True),
    "relay_cpu_us": Figure("CPU of the relay per round trip", "us", 1, False),
    "relay_bytes": Figure("RSS per quiet pair", "KiB", 1 / 1024, False),
    "relay_stalled_bytes": Figure("more if one end does not read", "KiB", 1 / 1024, False),
    "asks_per_s": Figure("answers/s", "thousand", 1e-3, True),
    "ask_cpu_us": Figure("CPU of the server per answer", "us", 1, False),
    "registers_per_s": Figure("registrations/s", "", 1, True),
    "register_cpu_us": Figure("CPU of the server per registration", "us", 1, False),
    "node_bytes": Figure("RSS per node known", "bytes", 1, False),
    "enters_per_s": Figure("entering by signature, nodes/s", "", 1, True),
    "enter_cpu_us": Figure("CPU of the server for that", "us", 1, False),
    "signal_bytes": Figure("RSS per signalling node", "bytes", 1, False),
    "idle_cpu_ms": Figure("CPU of the server in a second without a word", "ms", 1, False),
    "tells_per_s": Figure("messages/s, each told, received and confirmed", "", 1, True),
    "tell_cpu_us": Figure("CPU of the server per message", "us", 1, False),
    "idle_conn_bytes": Figure("RSS per idle connection", "bytes", 1, False),
}

# Of which a ratio says nothing.
NO_RATIO = {"wire_out", "wire_back", "meet_busy", "stranger_answered", "stranger_rss"}
