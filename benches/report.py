"""Turns what was measured into tables."""

from statistics import median

import goals
from figures import FIGURES, NO_RATIO

# Compared with other columns besides the first.
BESIDE = {"p2pnet": ["raw_copy", "zeromq"], "p2pnet_secure": ["raw_cipher"]}

# The tables: title, and the programs whose works are in it.
TABLES = [
    ("Lines, connections, start", ("flood", "pingpong", "crowd", "start")),
    ("On the wire", ("wire",)),
    ("Nodes that meet", ("meet",)),
    ("Strangers at a node of the secure dialect", ("stranger",)),
    ("Relays", ("relay",)),
    ("Rendezvous server", ("rendezvous",)),
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
    if ratios:
        text += f" **{number(median(ratios))}x**"
    return text


def beside(rounds, name, figure):
    """The ratios of a contender to others than the first, as text."""
    text = ""
    for other in BESIDE.get(name, []):
        both = [(r["figures"].get(name, {}).get(figure, 0), r["figures"].get(other, {}).get(figure, 0)) for r in rounds]
        both = [a / b for a, b in both if a > 0 and b > 0]
        text += f", {number(median(both))}x of {other}" if both else ""
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
        out += table(title, works, data, limit) if works else []
    out += ["## Sizes, stripped", ""] if data["sizes"] else []
    out += [f"- {k}: {v / 1024:,.0f} KiB" for k, v in data["sizes"].items()]
    return "\n".join(out + [""] + goal_table(data)) + "\n"


def said(goal, short=False):
    """A goal, and how it went."""
    compared = f" {goal['compared']}" if goal["compared"] else ""
    whose = "" if short and goal["who"] in ("p2pnet", "p2p-rendezvous") else f"{goal['who']} "
    result = f"{goal['value_text']}, {'met' if goal['met'] else '**not met**'}" if goal["value_text"] else "not measured"
    return f"{whose}{goal['text']}{compared}: {result}"


def table(title, works, data, limit):
    """One table; the columns are in the order of all contenders."""
    part = {n for w in works for r in w["rounds"] for n in r["figures"]}
    names = [n for n in dict.fromkeys(data["contenders"]) if n in part]
    judged = {}
    for goal in data["goals"]:
        if goal["met"] is not None:
            judged.setdefault((goal["work"], goal["figure"]), []).append(goal)
    with_goals = any((w["work"], f) in judged for w in works for f in FIGURES)
    heads = [*names, *(["goal"] if with_goals else []), "others' CPU"]
    out = [f"## {title}", "", "| work | figure | " + " | ".join(heads) + " |", "|---|---|" + "---|" * len(heads)]
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
                there = [(r["figures"][n][figure], b) for r, b in zip(rounds, base) if figure in r["figures"].get(n, {})]
                values, against = [v for v, _ in there], [b for _, b in there]
                compared = figure not in NO_RATIO
                here = cell(values, against if compared and n != names[0] else [], factor, True) if values else ""
                cells.append(here + (beside(rounds, n, figure) if compared and values else ""))
            if with_goals:
                cells.append("; ".join(said(g, short=True) for g in judged.get((w["work"], figure), [])))
            label = f"{text}, {unit}" if unit else text
            out.append(f"| {w['work']} | {label} | " + " | ".join(cells) + f" | {note} |")
    return [*out, ""]


def goal_table(data):
    """Every goal, and the count."""
    out = ["## Goals", "", "| work | figure | goal | measured | |", "|---|---|---|---|---|"]
    for g in data["goals"]:
        label = FIGURES[g["figure"]].text if g["figure"] in FIGURES else g["figure"]
        whose = "" if g["who"] in ("p2pnet", "p2p-rendezvous") else f", {g['who']}"
        goal = g["text"] + (f" {g['compared']}" if g["compared"] else "") + (f" ({g['why']})" if g["why"] else "")
        met = {True: "met", False: "**not met**", None: "not measured"}[g["met"]]
        out.append(f"| {g['work']} | {label}{whose} | {goal} | {g['value_text']} | {met} |")
    out += [f"| elsewhere | | {text} | | not measured here |" for text in goals.ELSEWHERE]
    return [*out, "", goals.count(data["goals"]) + "."]
