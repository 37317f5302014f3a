"""bob.py - the other of two programs that find each other: bob finds alice and says "test" to her.

  python bob.py [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]

It ends when N answers have come (0 = never), or at Ctrl-C.
"""
import argparse
import sys
import time

import p2pnet


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind", default="127.0.0.3")
    parser.add_argument("--port", type=int, default=44445)
    parser.add_argument("--server", default="127.0.0.1:8000")
    parser.add_argument("--lines", type=int, default=0)
    options = parser.parse_args()
    answers = 0
    with p2pnet.Net(dialect="secure", node_type="passive", passive_bind=options.bind, passive_port=options.port,
                    servers=[options.server]) as net:
        print(f"{net.bootstrap()} other nodes known at {options.server}", flush=True)
        conn = net.accept()  # the net connects to whom the server named, now or later
        print(f"connected: {conn.peer}", flush=True)
        while options.lines == 0 or answers < options.lines:
            conn.send_line("test")
            print("> test", flush=True)
            print(f"< {conn.read_line(timeout=30)!r}", flush=True)
            answers += 1
            if answers != options.lines:
                time.sleep(0.5)  # its pace
    print(f"done: {answers} answers received", flush=True)


if __name__ == "__main__":
    try:
        main()
    except p2pnet.Error as error:
        sys.exit(f"bob: {error}")
    except KeyboardInterrupt:
        pass
