"""alice.py - one of two programs that find each other: alice waits to be found, and answers. bob.py finds her.

  p2p-rendezvous --store memory &
  python alice.py [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]

It ends when N lines have come (0 = never), or at Ctrl-C. A net does not connect to its own address, so two on one machine have one
each: on Linux all of 127.x.x.x is this machine.
"""
import argparse
import sys

import p2pnet


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind", default="127.0.0.2")
    parser.add_argument("--port", type=int, default=44444)
    parser.add_argument("--server", default="127.0.0.1:8000")
    parser.add_argument("--lines", type=int, default=0)
    options = parser.parse_args()
    received = 0
    with p2pnet.Net(dialect="secure", node_type="passive", passive_bind=options.bind, passive_port=options.port,
                    servers=[options.server]) as net:
        print(f"listening on {options.bind}:{net.info().passive_port}", flush=True)
        print(f"{net.bootstrap()} other nodes known at {options.server}", flush=True)
        net.advertise()
        print(f"listed at {options.server}", flush=True)
        # One peer after the other, as this is the shortest program; chat.py serves many at a time.
        while options.lines == 0 or received < options.lines:
            conn = net.accept()
            print(f"connected: {conn.peer}", flush=True)
            try:
                for line in conn:
                    print(f"< {line!r}", flush=True)
                    conn.send_line("got it")
                    print("> got it", flush=True)
                    received += 1
                    if received == options.lines:
                        break
            except p2pnet.ClosedError as why:
                print(f"broken: {why}", flush=True)
            print(f"gone: {conn.peer}", flush=True)
    print(f"done: {received} lines received", flush=True)


if __name__ == "__main__":
    try:
        main()
    except p2pnet.Error as error:
        sys.exit(f"alice: {error}")
    except KeyboardInterrupt:
        pass
