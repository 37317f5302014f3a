"""chat.py - a chat that floods, with asyncio: what one says reaches everybody, also over others.

  python chat.py --name ann --port 5000
  python chat.py --name ben --bind 127.0.0.2 --port 5000 --connect 127.0.0.1:5000
  python chat.py --name cem --bind 127.0.0.3 --connect 127.0.0.2:5000

Type lines; Ctrl-C leaves. Each passes on what it hears; the option dedup drops what comes back, so nothing goes round in circles.
"""
import argparse
import asyncio
import sys
import threading

import p2pnet
import p2pnet.aio


async def hear(net, conn):
    """Prints and passes on what comes from one peer."""
    print(f"* {conn.peer} is connected", flush=True)
    try:
        async for line in conn:
            print("".join(c if c.isprintable() else "?" for c in line), flush=True)
            net.broadcast_line(line, but=conn)
        why = "closed"
    except p2pnet.ClosedError as error:
        why = error
    print(f"* {conn.peer} is gone: {why}", flush=True)


async def say(net, name):
    """Sends what is typed. The number makes each line one of its kind, or a second "hello" would be taken for an echo."""
    loop, typed, said = asyncio.get_running_loop(), asyncio.Queue(), 0

    def read():  # on a thread of its own that does not keep the program from ending
        for line in sys.stdin:
            loop.call_soon_threadsafe(typed.put_nowait, line.strip())
    threading.Thread(target=read, daemon=True).start()
    while True:
        text = await typed.get()
        if text:
            said += 1
            net.broadcast_line(f"{name} {said}: {text}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="me")
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--server")
    parser.add_argument("--connect")
    options = parser.parse_args()
    async with p2pnet.aio.Net(dialect="secure", node_type="passive", passive_bind=options.bind, passive_port=options.port,
                              dedup=True, servers=[options.server] if options.server else None) as net:
        print(f"listening on {options.bind}:{net.info().passive_port}", flush=True)
        tasks = [asyncio.create_task(say(net, options.name))]
        if options.server:
            await net.bootstrap()
            await net.advertise()
        if options.connect:
            tasks.append(asyncio.create_task(hear(net, await net.connect(options.connect))))
        while True:
            tasks.append(asyncio.create_task(hear(net, await net.accept())))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except p2pnet.Error as error:
        sys.exit(f"chat: {error}")
    except KeyboardInterrupt:
        pass
