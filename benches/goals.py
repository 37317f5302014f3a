"""What p2pnet is to reach, as data, and whether it does.

A goal is about one figure of one contender in one work: as a multiple of another contender's in the same round (`of`), of the
same contender's in another work (`of_work`), what it has beyond another's (`beyond`), or by itself. Whether more is better is the
figure's (report.FIGURES)."""

from statistics import median

from figures import FIGURES


class Goal:
    def __init__(self, work, figure, who, limit, of=None, of_work=None, beyond=None, why=""):
        self.work, self.figure, self.who, self.limit = work, figure, who, limit
        self.of, self.of_work, self.beyond = of, of_work, beyond
        self.why = why  # a limit's explanation, if it needs one

    def at_least(self):
        return FIGURES[self.figure].more_is_better

    def value(self, works):
        """The median over the rounds; None: not measured in this run."""
        rounds = works.get(self.work, [])
        mine = [r["figures"].get(self.who, {}).get(self.figure) for r in rounds]
        if self.of_work:
            other = [r["figures"].get(self.who, {}).get(self.figure) for r in works.get(self.of_work, [])]
            mine, other = [v for v in mine if v is not None], [v for v in other if v]
            return median(mine) / median(other) if mine and other else None
        if self.of or self.beyond:
            other = [r["figures"].get(self.of or self.beyond, {}).get(self.figure) for r in rounds]
            pairs = [(a, b) for a, b in zip(mine, other) if a is not None and b is not None and (b > 0 or self.beyond)]
            found = [a - b if self.beyond else a / b for a, b in pairs]
        else:
            found = [v for v in mine if v is not None]
        return median(found) if found else None

    def met(self, value):
        return value >= self.limit if self.at_least() else value <= self.limit

    def written(self, value):
        """A limit or a value of this goal, with its unit."""
        if self.of or self.of_work:
            return f"{value:.2f}x"
        what = FIGURES[self.figure]
        scaled = value * what.factor
        text = f"{scaled:,.0f}" if abs(scaled) >= 100 or scaled == int(scaled) else f"{scaled:.2f}"
        return f"{text} {what.unit}".rstrip()

    def compared_with(self):
        if self.of_work:
            return f"of {self.of_work}"
        if self.beyond:
            return f"beyond {self.beyond}"
        return f"of {self.of}" if self.of else ""


def _goals():
    goals = []
    pinnings = ("each", "one")

    def add(*args, **more):
        goals.append(Goal(*args, **more))

    for pin in pinnings:
        add(f"flood64 {pin}", "lines_per_s", "p2pnet", 0.9, of="raw_copy")
        add(f"flood64 {pin}", "lines_per_s", "p2pnet", 6, of="zeromq")
    for pin in pinnings:
        add(f"flood1k {pin}", "lines_per_s", "p2pnet", 0.9, of="raw")
        add(f"flood64k {pin}", "lines_per_s", "p2pnet", 0.8, of="raw")
    add("flood64 each", "cpu_s_per_million", "p2pnet", 1.2, of="raw")
    add("flood64 one", "cpu_s_per_million", "p2pnet", 1.4, of="raw")
    for pin, p50, p99 in (("each", 1.08, 1.1), ("one", 1.2, 1.4)):
        add(f"pingpong {pin}", "p50_us", "p2pnet", p50, of="raw")
        add(f"pingpong {pin}", "p99_us", "p2pnet", p99, of="raw")
        for other in ("libuv", "enet"):
            add(f"pingpong {pin}", "p50_us", "p2pnet", 1.03, of=other, why="level, that is within 3 %, or below")
    add("pingpong each", "p50_us", "p2pnet_spin", 0.40, of="raw")
    add("pingpong one", "p50_us", "p2pnet_spin", 1.08, of="raw")
    for count in (1, 100, 1000, 5000, 10000):
        add(f"crowd {count}", "poll_ns", "p2pnet", 4)
    add("crowd 10000", "poll_ns", "p2pnet", 1.25, of_work="crowd 1", why="flat")
    for crowd in ("crowd 1", "crowd 1000 quiet"):
        add(crowd, "wakeups_per_s", "p2pnet", 0)
    for side in ("client_bytes", "server_bytes"):
        add("crowd 1000", side, "p2pnet", 1024, beyond="raw")
    add("crowd 10000", "crowd_rss", "p2pnet", 60 * 1024 * 1024)
    add("crowd 1000", "setup_ms", "p2pnet", 2, of="raw")
    add("crowd 1000", "broadcast_us", "p2pnet", 1, of="raw")
    for work in ("flood64", "flood64k"):
        for pin in pinnings:
            add(f"{work} {pin}", "lines_per_s", "p2pnet_secure", 0.9, of="raw_cipher")
    add("bootstrap, 100,000 nodes", "asks_per_s", "p2p-rendezvous", 20 * ORIGINAL_ASKS,
        why=f"20 times {ORIGINAL_ASKS:,} a second, the original server's with 20 nodes on a machine like that of the goals")
    add("bootstrap, 100,000 nodes", "asks_per_s", "p2p-rendezvous", 0.9, of_work="bootstrap, 20 nodes", why="flat")
    return goals


# BOOTSTRAPs that the original's server answers in a second with 20 nodes.
ORIGINAL_ASKS = 13_000
GOALS = _goals()

# Name in `sizes` -> the most bytes.
SIZE_GOALS = {"shared library": 3 * 1024 * 1024, "shared library, small build": 1536 * 1024}

# What there is a goal for and nothing here to measure it by.
ELSEWHERE = [
    "64 B lines: 4x libp2p and iroh. Neither is in Debian, so they take no part",
    "64 B and 64 KiB lines of the secure dialect: 2x libp2p and iroh. The same",
]


def judge(data):
    """Each goal as {goal, limit, value, met} and more for programs; met is None where it was not measured."""
    works = {w["work"]: w["rounds"] for w in data["works"]}
    judged = []
    for goal in GOALS:
        value = goal.value(works)
        judged.append({
            "work": goal.work, "figure": goal.figure, "who": goal.who, "compared": goal.compared_with(),
            "limit": goal.limit, "value": value, "met": None if value is None else goal.met(value), "why": goal.why,
            "text": f"{'>=' if goal.at_least() else '<='} {goal.written(goal.limit)}",
            "value_text": "" if value is None else goal.written(value),
        })
    for name, limit in SIZE_GOALS.items():
        size = data["sizes"].get(name)
        judged.append({
            "work": "size", "figure": "bytes", "who": name, "compared": "", "limit": limit, "value": size,
            "met": None if size is None else size <= limit, "why": "", "text": f"<= {limit / 1024:,.0f} KiB",
            "value_text": "" if size is None else f"{size / 1024:,.0f} KiB",
        })
    return judged


def count(judged):
    """A sentence."""
    met = sum(g["met"] is True for g in judged)
    missed = sum(g["met"] is False for g in judged)
    rest = len(judged) - met - missed
    return f"{met} goals met, {missed} not met, {rest} not measured in this run"
