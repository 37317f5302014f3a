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
}


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
    names = []
    for w in data["works"]:
        for r in w["rounds"]:
            names += [n for n in r["figures"] if n not in names]
    names.sort(key=lambda n: (n != "raw", not n.startswith("raw"), n))
    out += ["", "## Figures", "", "Median (least..most) and the median of the per-round ratios to the first column.", ""]
    out += ["| work | figure | " + " | ".join(names) + " | others' CPU |", "|---|---|" + "---|" * (len(names) + 1)]
    for w in data["works"]:
        rounds = w["rounds"]
        load = [r["others"] + r["steal"] for r in rounds]
        busy = sum(x > limit for x in load)
        note = f"{100 * median(load):.0f} %" + (f", {busy} of {len(load)} disturbed" if busy else "")
        first = rounds[0]["figures"]
        for figure in next(iter(first.values())):
            text, unit, factor, _ = FIGURES[figure]
            base = [r["figures"][names[0]].get(figure, 0) for r in rounds]
            cells = []
            for n in names:
                values = [r["figures"][n][figure] for r in rounds if figure in r["figures"].get(n, {})]
                values = base if n == names[0] else values
                cells.append(cell(values, base, factor, True) if values else "")
            label = f"{text}, {unit}" if unit else text
            out.append(f"| {w['work']} | {label} | " + " | ".join(cells) + f" | {note} |")
    out += ["", "## Sizes, stripped", ""]
    out += [f"- {k}: {v / 1024:,.0f} KiB" for k, v in data["sizes"].items()]
    return "\n".join(out) + "\n"
