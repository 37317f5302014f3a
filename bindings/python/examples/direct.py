"""direct.py - Alice connects to Bob by his locator, and says "Sup Bob.".

  python direct.py [--classic] [--explain]

A locator is one line of text that says who a node is and how it can be reached. Here both nets are in one program, so that it can be
seen at a glance; in life Bob's locator travels by chat, e-mail or a lobby server. --classic speaks PyP2P's protocol; without it links
are encrypted and both ends prove who they are. --explain prints what was tried.
"""
import argparse
import json
import sys

import p2pnet


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--classic", action="store_true")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    common = {"dialect": "classic" if options.classic else "secure", "net_type": "direct", "node_type": "passive"}
    with p2pnet.Net(passive_bind="127.0.0.4", **common) as alice, p2pnet.Net(passive_bind="127.0.0.5", **common) as bob:
        locator = bob.unl()
        print(f"Bob's locator: {locator}")
        try:
            to_bob = alice.connect(locator, timeout=30)
        except p2pnet.Error as why:
            if options.explain and why.request:
                print(json.dumps(alice.explain(why.request)))
            raise
        print(f"Alice has connected to Bob at {to_bob.peer}.")
        to_bob.send_line("Sup Bob.")
        to_alice = bob.accept(timeout=30)
        print(f"Bob hears: {to_alice.read_line(timeout=30)}")
        to_alice.send_line("Not much, Alice.")
        print(f"Alice hears: {to_bob.read_line(timeout=30)}")
    print("done")


if __name__ == "__main__":
    try:
        main()
    except p2pnet.Error as error:
        sys.exit(f"direct: {error}")
