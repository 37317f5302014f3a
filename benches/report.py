"""Turns what was measured into tables."""

from statistics import median

# figure -> (what it is, unit, factor, whether more is better)
FIGURES = {
    "lines_per_s": ("lines/s", "thousand", 1e-3, True),
    "cpu_s_per_million": ("CPU s per million lines, both ends", "s", 1, False),
    "p50_us": ("round trip p50", "us", 1, False),
    "p99_us": ("round trip p99", "us", 1, False),
    "cpu_us": ("CPU per round trip, client", "us", 1, False),
    "setup_ms": ("set up all", "ms", 1, False),
    "client_bytes": ("RSS per connection, client", "KiB", 1 / 1024, False),
    "server_bytes": ("RSS per connection, server", "KiB", 1 / 1024, False),
    "poll_ns": ("a look that finds nothing", "ns", 1, False),
    "wakeups_per_s": ("wake-ups/s when idle", "", 1, False),
    "broadcast_us": ("a line to all, and an answer", "ms", 1e-3, False),
    "idle_bytes": ("RSS added", "KiB", 1 / 1024, False),
    "threads": ("threads added", "", 1, False),
    "ready_us": ("create to ready", "us", 1, False),
    "close_us": ("close and free", "us", 1, False),
    "wire_out": ("bytes sent per line beyond its 64", "", 1, False),
    "wire_back": ("bytes that come back per line", "", 1, False),
    "wire_packets": ("packets per line, both ways", "", 1, False),
    "meet_cpu_us": ("CPU per connection, accepting node", "us", 1, False),
    "meet_per_core": ("that is, connections/s of one core", "", 1, True),
    "meet_client_cpu_us": ("CPU per connection, connecting node", "us", 1, False),
    "meet_p50_us": ("connect to opened p50", "us", 1, False),
    "meet_bytes": ("RSS per open connection, accepting node", "KiB", 1 / 1024, False),
    "meet_busy": ("turned away as busy", "", 1, False),
    "stranger_cpu_us": ("CPU per stranger", "us", 1, False),
    "stranger_answered": ("answered, of all", "", 1, False),
    "stranger_rss": ("RSS added by all", "KiB", 1 / 1024, False),
    "relay_cpu_s_per_gb": ("CPU s of the relay per GB", "", 1, False),
    "relay_gb_per_core": ("that is, GB/s of one core", "", 1, True),
    "relay_gb_per_s": ("GB/s through it", "", 1, True),
    "relay_cpu_us": ("CPU of the relay per round trip", "us", 1, False),
    "relay_bytes": ("RSS per quiet pair", "KiB", 1 / 1024, False),
    "relay_stalled_bytes": ("more if one end does not read", "KiB", 1 / 1024, False),
}

# Of which a ratio says nothing.
NO_RATIO = {"wire_out", "wire_back", "meet_busy", "stranger_answered", "stranger_rss"}

# Compared with another column besides the first.
BESIDE = {"p2pnet_secure": "raw_cipher"}

# The tables: title, and the programs whose works are in it.
TABLES = [
    ("Lines, connections, start", ("flood", "pingpong", "crowd", "start")),
    ("On the wire", ("wire",)),
    ("Nodes that meet", ("meet",)),
    ("Strangers at a node of the secure dialect", ("stranger",)),
    ("Relays", ("relay",)),
]


def number(x):
    """Three digits that mean something."""
    if x == 0:
        return "0"
    digits = 0 if abs(x) >= 100 else 1 if abs(x) >= 10 else 2 if abs(x) >= 1 else 3
    return f"{x:,.{digits}f}"


def cell(values, base, factor, spread):
    text = number(median(values) * factor)
    if spread and len(values) > 1:
        text += f" ({number(min(values) * factor)}..{number(max(values) * factor)})"
    ratios = [v / b for v, b in zip(values, base) if b > 0]
    if ratios and values is not base:
        text += f" **{number(median(ratios))}x**"
    return text


def markdown(data, limit):
    out = ["## Machine", ""]
    out += [f"- {k}: {v}" for k, v in data["machine"].items()]
    o = data["options"]
    out += [
        f"- rounds: {o['rounds']}; processes at nice {o['nice']}; CPUs kept awake: {'yes' if o['spinners'] else 'no'}",
        f"- took {data['seconds']} s",
    ]
    out += [f"- note: {n}" for n in data["notes"]]
    out += ["", "Median (least..most) **and the median of the per-round ratios to the first column**.", ""]
    for title, programs in TABLES:
        works = [w for w in data["works"] if w["program"] in programs]
        out += table(title, works, data["contenders"], limit) if works else []
    out += ["## Sizes, stripped", ""]
    out += [f"- {k}: {v / 1024:,.0f} KiB" for k, v in data["sizes"].items()]
    return "\n".join(out) + "\n"


def table(title, works, contenders, limit):
    """One table; the columns are in the order of all contenders."""
    there = {n for w in works for r in w["rounds"] for n in r["figures"]}
    names = [n for n in contenders if n in there]
    out = [f"## {title}", ""]
    out += ["| work | figure | " + " | ".join(names) + " | others' CPU |", "|---|---|" + "---|" * (len(names) + 1)]
    for w in works:
        rounds = w["rounds"]
        load = [r["others"] + r["steal"] for r in rounds]
        busy = sum(x > limit for x in load)
        note = f"{100 * median(load):.0f} %" + (f", {busy} of {len(load)} disturbed" if busy else "")
        figures = [f for f in FIGURES if any(f in found for found in rounds[0]["figures"].values())]
        for figure in figures:
            text, unit, factor, _ = FIGURES[figure]
            base = [r["figures"].get(names[0], {}).get(figure, 0) for r in rounds]
            cells = []
            for n in names:
                values = [r["figures"][n][figure] for r in rounds if figure in r["figures"].get(n, {})]
                values = base if n == names[0] and values else values
                against = [] if figure in NO_RATIO else base
                text_here = cell(values, against, factor, True) if values else ""
                other = BESIDE.get(n)
                both = [(r["figures"].get(n, {}).get(figure, 0), r["figures"].get(other, {}).get(figure, 0)) for r in rounds]
                both = [a / b for a, b in both if a > 0 and b > 0]
                if both and against:
                    text_here += f", {number(median(both))}x of {other}"
                cells.append(text_here)
            label = f"{text}, {unit}" if unit else text
            out.append(f"| {w['work']} | {label} | " + " | ".join(cells) + f" | {note} |")
    return [*out, ""]
