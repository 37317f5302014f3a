#!/usr/bin/env python3
"""The original rendezvous server, on any address and port (PyP2P's own start listens on 0.0.0.0:8000).

  original_server.py ADDRESS PORT

Says {"event": "ready"} when it listens and ends when its standard input does.
"""
import json
import sys

import compat  # noqa: F401

from pyp2p import rendezvous_server
from twisted.internet import stdio
from twisted.internet.protocol import Protocol


class Lifeline(Protocol):
    """Ends the server when whoever started it is gone."""

    def connectionLost(self, reason=None):
        if rendezvous_server.reactor.running:
            rendezvous_server.reactor.stop()


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    # It prints every line it sees.
    rendezvous_server.debug = 0
    rendezvous_server.print = lambda *words: None
    rendezvous_server.reactor.listenTCP(port, rendezvous_server.RendezvousFactory(), interface=address)
    print(json.dumps({"event": "ready"}), flush=True)
    sys.stdout = sys.stderr
    stdio.StandardIO(Lifeline())
    rendezvous_server.reactor.run()


if __name__ == "__main__":
    main()
