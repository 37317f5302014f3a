#!/usr/bin/env python3
"""One of our nodes in a process of its own, so that it can live in another network namespace. As original.py: calls on
standard input, {"id": 1, "do": "send", ...}, each answered by a line; the first line tells that the node is ready."""
import json
import os
import sys

import ours


class Driver:
    def __init__(self, settings):
        self.net = ours.Net(settings.pop("ip"), servers=settings.pop("servers"), **settings)

    def do_unl(self, **changes):
        return self.net.unl(**changes)

    def do_unl_connect_and_wait(self, unl, nonce=None, timeout=None):
        return self.net.unl_connect_and_wait(unl, nonce, timeout)

    def do_opened(self):
        return self.net.expect("OPENED").conn

    def do_via(self, conn):
        return self.net.via(conn)

    def do_con_id(self, conn):
        return self.net.con_id(conn)

    def do_send(self, conn, line):
        self.net.send(conn, line)

    def do_line(self, conn):
        return self.net.lines(conn, 1)[0].decode()

    def do_wait_log(self, text):
        self.net.wait_log(text)


def main():
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    driver = Driver(json.loads(sys.argv[1]))
    print(json.dumps({"event": "ready"}), file=out)
    for line in sys.stdin:
        call = json.loads(line)
        n, name = call.pop("id"), call.pop("do")
        try:
            print(json.dumps({"id": n, "result": getattr(driver, "do_" + name)(**call)}), file=out)
        except Exception as e:
            print(json.dumps({"id": n, "error": f"{e!r}; {driver.net.log[-10:]}"}), file=out)
    driver.net.free()


if __name__ == "__main__":
    main()
