#!/usr/bin/env python3
"""Writes the tables of the last run into README.md (Speed) and docs/performance.md (Measured), so that nothing there is typed in.

    make bench && benches/quote.py [FILE]     FILE: what --json has written; else that of the last run

What holds back a goal that is not met is said by hand, below the tables: look whether it still holds.
"""

import json
import os
import re
import sys
from statistics import median

from contenders import OUT, ROOT
from figures import FIGURES
from machine import DISTURBED
from report import goal_table, number, markdown

COLUMNS = {"raw": "raw TCP in C", "p2pnet": "p2pnet, classic", "p2pnet_secure": "p2pnet, secure", "zeromq": "ZeroMQ", "enet": "ENet",
           "libuv": "libuv"}
EACH, ONE = "a CPU each", "one CPU for both"
# What README.md shows: the work, the figure, how it is called there, its unit behind the figures.
ROWS = [
    *((f"flood{n} {pin}", "lines_per_s", f"{text} lines one way, thousand/s, {where}", "")
      for n, text in (("64", "64 B"), ("1k", "1 KiB"), ("64k", "64 KiB")) for pin, where in (("each", EACH), ("one", ONE))),
    *((f"flood64 {pin}", "cpu_s_per_million", f"64 B lines, CPU s per million, both ends, {where}", " s")
      for pin, where in (("each", EACH), ("one", ONE))),
    *((f"pingpong {pin}", f"{p}_us", f"ping-pong {p}, {where}", " µs")
      for pin, where in (("each", EACH), ("one", ONE)) for p in ("p50", "p99")),
    ("crowd 1000", "poll_ns", "a poll that finds nothing, 1,000 connections", " ns"),
    ("crowd 5000", "client_bytes", "RSS per idle connection of 5,000, connecting side", " KiB"),
    ("crowd 5000", "server_bytes", "RSS per idle connection of 5,000, accepting side", " KiB"),
    ("crowd 1000", "setup_ms", "setting up 1,000 connections", " ms"),
    ("crowd 1000", "broadcast_us", "one line to 1,000 peers, until all have it", " ms"),
    ("start", "ready_us", "from making a net until READY", " µs"),
]


def row(data, work, figure, text, unit):
    """A line of README's table: medians, and the medians of the ratios to raw."""
    rounds = next(w["rounds"] for w in data["works"] if w["work"] == work)
    cells = []
    for name in COLUMNS:
        there = [(r["figures"][name][figure], r["figures"]["raw"].get(figure, 0)) for r in rounds if figure in r["figures"].get(name, {})]
        ratios = [value / raw for value, raw in there if raw > 0]
        cell = number(median(v for v, _ in there) * FIGURES[figure].factor) + unit if there else ""
        cells.append(cell + (f", {number(median(ratios))}x" if ratios and name != "raw" else ""))
    return f"| {text} | " + " | ".join(cells) + " |"


def machine(data):
    about = data["machine"]
    virtual = {"yes": "a virtual machine", "no": "a machine"}.get(about["virtual machine"], "a machine")
    return f"{about['date']}, {virtual} with {about['cpus']} CPUs ({about['cpu']}), Linux {'.'.join(about['kernel'].split('.')[:2])}"


def speed(data):
    """README's table."""
    heads = " | ".join(COLUMNS.values())
    said = f"`make bench` of {machine(data)}; medians of up to {data['options']['rounds']} rounds."
    return [said, "", f"| work (two processes on loopback) | {heads} |", "|---|" + "---|" * len(COLUMNS), *(row(data, *r) for r in ROWS)]


def measured(data):
    """All tables and the goals, as docs/performance.md has them: a level lower, without the options."""
    about = data["machine"]
    head = f"{machine(data)}, {about['rustc'].split(' (')[0]}, gcc {about['gcc'].split()[-1]}, one `make bench` of {about['p2pnet']} " \
           f"({data['options']['rounds']} rounds, {data['seconds']:.0f} s)."
    text = markdown(data, DISTURBED)
    tables = text[text.index("## Lines, connections"):text.index("## Goals")]
    lines = [head, "", "Median (least..most) **median of the ratios to the first column, per round**.", "",
             *tables.splitlines(), *goal_table(data)]
    return [re.sub("^## ", "### ", line) for line in lines]


def put(path, mark, lines):
    """Replaces what is between the marks."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = f"<!-- {mark}: by benches/quote.py -->\n", f"<!-- end of {mark} -->\n"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n".join(lines) + "\n" + end + after)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(OUT, "last.json")
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except OSError as why:
        sys.exit(f"{path}: {why.strerror}. Run make bench first, or name what benches/run.py --json has written")
    missing = [work for work, *_ in ROWS if not any(w["work"] == work for w in data["works"])]
    if missing:
        sys.exit(f"{path} is not of a whole run: {', '.join(dict.fromkeys(missing))} not measured")
    put(os.path.join(ROOT, "README.md"), "speed", speed(data))
    put(os.path.join(ROOT, "docs", "performance.md"), "measured", measured(data))
    print("written: README.md, docs/performance.md")


if __name__ == "__main__":
    main()
