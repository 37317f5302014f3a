#!/usr/bin/env python3
"""Measures p2pnet through its C ABI beside plain TCP programs, in one alternating run. See docs/performance.md.

    benches/run.py                  everything, 5 to 8 minutes on a quiet machine
    benches/run.py --secure         what concerns the secure dialect and the relay only, about 3 minutes
    benches/run.py --server         the rendezvous server only, about 2 minutes
    benches/run.py --quick          about 2 minutes, fewer rounds and no 5,000 connections
    benches/run.py --only flood64   works whose name contains that
    benches/run.py --self-test      makes the sender wrong on purpose: the check has to notice

Works alternate over the contenders within each round; ratios are taken per round and their median is shown, so that a
slow minute of the machine hurts all alike. A round in which others used the CPUs is repeated, a bounded number of
times, and marked if it stayed disturbed.
"""

import argparse
import fcntl
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import goals
import rendezvous
import report
from contenders import ASKERS, CONTENDERS, ROOT, TARGET, OUT, LIB, SERVER, SYSTEM_LIBS, build, outdated, same_cipher
from machine import DISTURBED, Load, Spinners, describe
from programs import Failed, finish, start


class Work:
    """One row of measurements: a program, its arguments, and where its two processes run."""

    def __init__(self, name, program, pin=None, repeat=1.0, files=None, without=(), **args):
        self.name = name
        self.program = program
        self.pin = pin  # None: anywhere; else the CPUs of server and client
        self.repeat = repeat  # share of the rounds in which it runs
        self.files = files or args.get("connections", 1) + 100  # descriptors of one process
        self.without = without  # contenders that have no part in it
        self.args = args

    def is_secure(self):
        """Whether the secure dialect, or the relay, has a part in it."""
        return self.program not in ("crowd", "start", "rendezvous")


def works(quick, cpus):
    """What is measured. `one` and `each`: both ends on one CPU, or each on its own."""
    one = (cpus[-1], cpus[-1])
    each = (cpus[0], cpus[-1])
    # Short, so that those that are compared run close to each other, and many rounds.
    s = 0.25 if quick else 0.2
    half, few, rare = 0.5, 0.2, 0.1  # two rounds at least
    # Known well enough from elsewhere in the table.
    brief = ("raw_1write", "enet", "libuv", "raw_copy")
    many = ("raw_1write", "zeromq", "enet", "libuv")
    rows = [
        Work("flood64 each", "flood", each, len=64, seconds=s),
        Work("flood64 one", "flood", one, len=64, seconds=s),
        Work("flood64 free", "flood", None, few, without=brief, len=64, seconds=s),
        Work("flood1k each", "flood", each, len=1024, seconds=s),
        Work("flood1k one", "flood", one, without=brief, len=1024, seconds=s),
        Work("flood64k each", "flood", each, without=("raw_1write",), len=65536, seconds=s),
        Work("flood64k one", "flood", one, without=brief, len=65536, seconds=s),
        Work("pingpong each", "pingpong", each, len=64, seconds=s),
        Work("pingpong one", "pingpong", one, len=64, seconds=s),
        Work("crowd 1", "crowd", each, few, connections=1, seconds=2),
        Work("crowd 100", "crowd", each, few, connections=100, seconds=0),
        Work("crowd 1000", "crowd", each, half, connections=1000, seconds=0),
        Work("crowd 1000 quiet", "crowd", each, rare, without=many, connections=1000, seconds=2),
        Work("crowd 5000", "crowd", each, few, without=("enet",), connections=5000, seconds=0),
        Work("crowd 10000", "crowd", each, rare, without=many, connections=10000, seconds=0),
        Work("start", "start", (cpus[-1], cpus[-1]), half),
        Work("wire stream", "wire", each, rare, len=64, seconds=0.1),
        Work("wire one by one", "wire", each, rare, len=64, seconds=0.3, gap_ms=2),
        Work("wire seldom", "wire", each, rare, len=64, seconds=0.9, gap_ms=150),
        Work("meet 100", "meet", each, few, connections=100, seconds=s),
        Work("strangers 400", "stranger", each, few, connections=400),
        Work("strangers 5000", "stranger", each, rare, connections=5000),
        Work("relay 64k", "relay", each, few, what="stream", len=65536, seconds=0.15),
        Work("relay 1k", "relay", each, few, what="stream", len=1042, seconds=0.15),
        Work("relay 64", "relay", each, few, what="stream", len=84, seconds=0.15),
        Work("relay pingpong", "relay", each, few, what="pingpong", len=84, seconds=0.15),
        Work("relay memory", "relay", each, rare, 4200, ("splice", "no relay", "p2p-rendezvous, --relay-buffer 0"),
             what="memory", connections=1000),
    ]
    left_out = ("crowd 1000 quiet", "crowd 5000", "crowd 10000", "flood64 free", "strangers 5000")
    return [r for r in rows if not (quick and r.name in left_out)]


def sample(work, contender, nice=0, **more):
    """Runs one work once: {figure: value}."""
    path, args = contender.path(work.program), {**work.args, **more, "way": contender.way_of(work.program)}
    server_cpu, client_cpu = work.pin or (None, None)
    what = f"{work.name}, {contender.name}"
    if work.program == "start":
        return finish(start(path, client_cpu, nice, role="client", **args), what)
    arguments = {} if contender.server else {"role": "server", **args}
    server = start(contender.server or path, server_cpu, nice, **arguments)
    client = None
    try:
        line = server.stdout.readline()
        if line.startswith("{"):
            words = ["port", json.loads(line)["rendezvous"][0].rpartition(":")[2]]
        else:
            words = line.split()
        if words[:1] != ["port"]:
            finish(server, what + ", server")
            raise Failed(f"{what}: the server told no port")
        if len(words) > 2:
            args["peer"] = words[2]
        client = start(path, client_cpu, nice, role="client", port=int(float(words[1])), pid=server.pid, **args)
        figures = finish(client, what + ", client")
        finish(server, what + ", server")
        return figures
    finally:
        for p in (server, client):
            if p and p.poll() is None:
                p.kill()
                p.communicate()


def one_round(work, contenders, spinners, options):
    """All contenders once. Repeated while others use the CPUs; the quietest attempt counts."""
    best = None
    for _ in range(1 + options.repeats):
        load = Load(spinners)
        figures = {}
        for c in [c for c in contenders if (c.name, work.name) not in options.failed]:
            try:
                figures[c.name] = sample(work, c, options.nice)
            except Failed as why:
                if not c.pkg_config:
                    raise
                options.failed[c.name, work.name] = why  # others' libraries must not end our run
        others, steal = load.others()
        if best is None or others + steal < best["others"] + best["steal"]:
            best = {"figures": figures, "others": others, "steal": steal}
        if others + steal <= DISTURBED:
            break
    return best


def measure(rows, options, spinners):
    """[{work, rounds: [{figures: {contender: {figure: value}}, others, steal}]}]"""
    results = [{"work": w.name, "program": w.program, "rounds": []} for w in rows]
    for number in range(options.rounds):
        for w, result in zip(rows, results):
            if number >= max(2, round(options.rounds * w.repeat)):
                continue
            who = [c for c in options.contenders if w.program in c.works and c.name not in w.without]
            # Each round begins with another one: whoever follows a certain neighbour does not do so always.
            turn = number % len(who)
            result["rounds"].append(one_round(w, who[turn:] + who[:turn], spinners, options))
            if sys.stderr.isatty():
                print(f"\rround {number + 1} of {options.rounds}: {w.name:16}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r" + 50 * " ", end="\r", file=sys.stderr)
    return results


def sizes():
    """Bytes of what a program has to bring along, stripped."""
    found = {}
    shared, program = os.path.join(TARGET, "release", "libp2pnet.so"), os.path.join(OUT, "size")
    copy = os.path.join(OUT, "size.so")
    subprocess.run(["strip", "--strip-unneeded", "-o", copy, shared], check=True)
    found["shared library"] = os.path.getsize(copy)
    source = "#include <p2pnet.h>\nint main(void){p2p_net*n;if(p2p_net_new(0,&n,0)||p2p_net_start(n,0))return 1;" \
             "p2p_send_line(n,1,\"x\",1);p2p_poll(n,0);return p2p_net_free(n);}\n"
    subprocess.run(["gcc", "-x", "c", "-", "-O2", "-Wl,--gc-sections", "-s", "-I", os.path.join(ROOT, "include"), "-o",
                    program, "-x", "none", LIB, *SYSTEM_LIBS], input=source, text=True, check=True)
    found["program with the static library"] = os.path.getsize(program)
    small = os.path.join(TARGET, "small", "libp2pnet.so")
    if os.path.exists(small):
        subprocess.run(["strip", "--strip-unneeded", "-o", copy, small], check=True)
        found["shared library, small build"] = os.path.getsize(copy)
    return found


def self_test(contenders):
    """A sender that does wrong must be caught, by every kind of wrong; one that does not, not."""
    passed = failed = 0
    messages = ("zeromq", "enet")  # in which CR LF is text like any other
    for c in [c for c in contenders if c.name in ("raw", "raw_cipher", "libuv", "p2pnet", "p2pnet_secure", *messages)]:
        for how in ("", "drop", "swap", "flip", *(["cut"] if c.name not in messages else [])):
            wrong = {"sabotage": how} if how else {}
            work = Work(f"flood64 {how or 'right'}", "flood", None, len=64, seconds=0.05, **wrong)
            try:
                sample(work, c)
                caught = ""
            except Failed as e:
                caught = str(e)
            ok = bool(caught) == bool(how)
            print(f"{'ok  ' if ok else 'FAIL'} {c.name}: {how or 'nothing'} wrong: {caught or 'no complaint'}")
            passed, failed = passed + ok, failed + (not ok)
    print(f"{passed} passed, {failed} failed")
    return failed == 0


def alone():
    """Waits until no other run measures on this machine; keep what it returns until the end."""
    lock = open(os.path.join(tempfile.gettempdir(), "p2pnet-benches.lock"), "a", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another run of this script", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="about two minutes")
    p.add_argument("--rounds", type=int, help="instead of 11 (3 with --quick)")
    p.add_argument("--repeats", type=int, default=2, help="how often a disturbed round is repeated at most (2)")
    p.add_argument("--only", action="append", default=[], metavar="TEXT", help="works whose name contains it")
    p.add_argument("--secure", action="store_true", help="works in which the secure dialect or the relay has a part")
    p.add_argument("--server", action="store_true", help="the rendezvous server only")
    p.add_argument("--contender", action="append", default=[], metavar="NAME", help="these only, raw always")
    p.add_argument("--nice", type=int, default=0, help="of the measured processes; below 0 needs rights")
    p.add_argument("--no-spin", action="store_true", help="do not keep the CPUs awake")
    p.add_argument("--no-cargo", action="store_true", help="the library is built")
    p.add_argument("--json", metavar="FILE", help="write everything that was measured")
    p.add_argument("--markdown", metavar="FILE", nargs="?", const="-", help="write the tables as Markdown, - = stdout")
    p.add_argument("--self-test", action="store_true", help="check the check")
    options = p.parse_args()
    options.failed = {}
    options.rounds = options.rounds or (3 if options.quick else 11)
    wanted = [c for c in CONTENDERS if not options.contender or c.name in ["raw", *options.contender]]
    if options.secure:
        wanted = [c for c in wanted if c.name not in ("raw_copy", "raw_1write", "zeromq", "enet", "libuv")]
    if options.server:
        wanted = []
    missing = {c: c.missing() for c in wanted}
    options.contenders = [c for c in wanted if not missing[c]]
    notes = [f"{c.name} left out: {why}" for c, why in missing.items() if why]
    notes += [f"{c.name} is {c.pkg_config} {c.version()}" for c in options.contenders if c.pkg_config]
    notes += same_cipher()
    for note in notes:
        print(f"note: {note}", file=sys.stderr)

    about_server = options.server or not (options.secure or options.contender)
    about_server = about_server and (not options.only or any(t in "bootstrap" for t in options.only))
    relays = any(SERVER in (c.server or ()) for c in options.contenders)
    build([*options.contenders, ASKERS], cargo=not options.no_cargo, server=about_server or relays)
    if options.self_test:
        return 0 if self_test(options.contenders) else 1

    cpus = sorted(os.sched_getaffinity(0))
    rows = [w for w in works(options.quick, cpus) if not options.only or any(t in w.name for t in options.only)]
    rows = [w for w in rows if w.is_secure() or not options.secure]
    rows = [w for w in rows if any(w.program in c.works for c in options.contenders)]
    if about_server and not os.path.exists(SERVER):
        notes.append(f"the rendezvous server left out: {SERVER} is not built")
        about_server = False
    elif (about_server or relays) and os.path.exists(SERVER) and options.no_cargo and outdated(SERVER):
        notes.append(f"the rendezvous server is that of an EARLIER VERSION: {SERVER} is older than the sources")
        print(f"note: {notes[-1]}", file=sys.stderr)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max((w.files for w in rows), default=100)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard >= 0 else wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for w in [w for w in rows if w.files > soft]:
        notes.append(f"{w.name} left out: only {soft} descriptors per process are allowed (RLIMIT_NOFILE)")
        rows.remove(w)
    if len(cpus) == 1:
        notes.append("one CPU only: 'each' is the same as 'one'")

    lock = alone()
    began = time.monotonic()
    spinners = Spinners([] if options.no_spin else cpus)
    try:
        results = measure(rows, options, spinners)
        if about_server:
            results += rendezvous.measure(options, cpus, spinners, notes)
    except Failed as e:
        print(f"benches/run.py: {e}", file=sys.stderr)
        return 1
    finally:
        spinners.stop()
        lock.close()
    notes += [f"{name} left out of {work}: {why}" for (name, work), why in options.failed.items()]
    data = {
        "machine": describe(ROOT),
        "options": {"rounds": options.rounds, "nice": options.nice, "spinners": not options.no_spin},
        "notes": notes,
        "contenders": [c.name for c in options.contenders] + [rendezvous.NAME],
        "works": results,
        "sizes": {} if options.server else sizes(),
        "seconds": round(time.monotonic() - began, 1),
    }
    data["goals"] = goals.judge(data)
    # What a part of the works has come to is not the last run's.
    part = options.only or options.contender or options.secure or options.server or options.quick
    for path in [*([] if part else [os.path.join(OUT, "last.json")]), *([options.json] if options.json else [])]:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(data, f, indent=1)
    text = report.markdown(data, DISTURBED)
    if options.markdown not in (None, "-"):
        with open(options.markdown, "w", encoding="utf-8") as f:
            f.write(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
