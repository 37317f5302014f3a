"""Measures the rendezvous server: one for each number of nodes it knows, asked in turns within every round.

The server has one CPU and its clients another. Its limits for one address are lifted, as all clients are at 127.x."""

import json

from contenders import ASKERS, UNLIMITED
from machine import Load
from programs import finish, start

NAME = "p2p-rendezvous"
NODES = (20, 20_000, 100_000)


class Server:
    """One that runs, with so many nodes registered."""

    def __init__(self, nodes, cpus, nice):
        self.nodes, self.cpus, self.nice = nodes, cpus, nice
        self.process = start([*UNLIMITED, "--max-connections", "20000", "--idle-timeout", "600",
                              "--signal-max-proofs-per-second", "100000"], cpus[0], nice)
        self.port = json.loads(self.process.stdout.readline())["rendezvous"][0].rpartition(":")[2]
        self.filling = self.ask("register", connections=nodes)

    def ask(self, what, **more):
        """Runs the clients once: {figure: value}."""
        client = start(ASKERS.path("rendezvous"), self.cpus[-1], self.nice, role="client", what=what, port=self.port,
                       pid=self.process.pid, **more)
        return finish(client, f"{what}, {self.nodes:,} nodes")

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def jobs(options):
    """(name, whether the number of nodes counts, what is asked and how)."""
    s = 0.2 if options.quick else 0.4
    first = [("bootstrap", True, "bootstrap", {"connections": 8, "depth": 32, "seconds": s})]
    if not options.server:
        return first
    return first + [
        ("bootstrap one by one", True, "bootstrap", {"connections": 64, "depth": 1, "seconds": s}),
        ("bootstrap, a connection each", True, "meet", {"connections": 2000}),
        # Again, what is known already: the number of nodes stays.
        ("register", True, "register", {"connections": 2000, "depth": 1}),
        ("source tcp", False, "source", {"connections": 8, "depth": 32, "seconds": s}),
        ("source tcp one by one", False, "source", {"connections": 64, "depth": 1, "seconds": s}),
    ]


def measure(options, cpus, spinners, notes):
    """As run.measure: [{work, program, rounds}]."""
    servers, results = [], {}

    def record(work, figures, load):
        others, steal = load.others()
        rounds = results.setdefault(work, {"work": work, "program": "rendezvous", "rounds": []})["rounds"]
        rounds.append({"figures": {NAME: figures}, "others": others, "steal": steal})

    try:
        for nodes in NODES if options.server else (NODES[0], NODES[-1]):
            # Its CPU time counts as ours only when it has ended.
            load = Load(spinners, [s.process.pid for s in servers])
            servers.append(Server(nodes, cpus, options.nice))
            load.running.append(servers[-1].process.pid)
            if nodes >= 1000:
                record(f"filling with {nodes:,} nodes", servers[-1].filling, load)
        running = [s.process.pid for s in servers]
        for number in range(min(options.rounds, 5)):
            turn = number % len(servers)
            for name, counts, what, args in jobs(options):
                for server in servers[turn:] + servers[:turn]:
                    if not counts and server.nodes != NODES[0]:
                        continue
                    load = Load(spinners, running)
                    figures = server.ask(what, **{k: min(v, server.nodes) if what == "register" and k == "connections" else v
                                                  for k, v in args.items()})
                    record(f"{name}, {server.nodes:,} nodes" if counts else name, figures, load)
        if options.server:
            # Each by a server of its own, as memory that was used once is used again.
            for work, what, args in (("10,000 idle connections", "idle", {}),
                                     ("10,000 signalling nodes", "signal", {"depth": 32, "seconds": 0.4})):
                load = Load(spinners, running)
                servers.append(Server(NODES[0], cpus, options.nice))
                running.append(servers[-1].process.pid)
                load.running.append(running[-1])
                record(work, servers[-1].ask(what, connections=10_000, **args), load)
    finally:
        for server in servers:
            server.stop()
    order = sorted(results, key=lambda work: work.startswith("filling"))
    notes.append("the rendezvous server: 8 connections with 32 requests under way each, or 64 with one; it has one CPU")
    return [results[work] for work in order]
