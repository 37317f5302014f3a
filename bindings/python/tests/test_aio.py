"""The net for asyncio."""
import asyncio
import gc
import socket
import threading
import unittest

import p2pnet
import p2pnet.aio
from p2pnet import EventKind, Result
from support import HUNG, Case, Rendezvous, at, needs_server, options


def run(coroutine):
    """Runs a test's coroutine; asyncio's debug mode tells of what was forgotten."""
    asyncio.run(asyncio.wait_for(coroutine, HUNG), debug=True)


async def joined(**more):
    """Two nets that are connected, and the connection at each."""
    a, b = p2pnet.aio.Net(**options(**more)), p2pnet.aio.Net(**options(**more))
    await asyncio.gather(a.start(), b.start())
    here = await a.connect(at(b))
    return a, b, here, await b.accept()


class Aio(Case):
    def test_lines_both_ways(self):
        async def test():
            for dialect in ("classic", "secure"):
                a, b, here, there = await joined(dialect=dialect)
                await here.send_line("hello")
                self.assertEqual(await there.read_line(), "hello")
                await there.send_line(b"\xff")
                self.assertEqual(await here.read_line(), "\ufffd")
                await asyncio.gather(a.close(), b.close())
        run(test())

    def test_messages(self):
        async def test():
            a, b, here, there = await joined(dialect="secure")
            async with a, b:
                await here.send(bytes(range(256)))
                await here.send_line("x")
                self.assertEqual(await there.read(), (EventKind.MESSAGE, bytes(range(256))))
                self.assertEqual(await there.read(), (EventKind.LINE, "x"))
                with self.assertRaises(TypeError):
                    await here.send(5)
        run(test())

    def test_many_in_order(self):
        async def test():
            a, b, here, there = await joined(send_buffer=65536, recv_buffer=65536, max_unread=200_000)

            async def send():
                for i in range(5000):
                    await here.send_line(f"{i} " + "x" * 1000)
                here.close()
            async with a, b:
                task, number = asyncio.create_task(send()), 0
                while b._watched is not None:  # until there is more than the program may leave unread
                    await asyncio.sleep(0.01)
                async for line in there:
                    self.assertTrue(line.startswith(f"{number} "))
                    number += 1
                await task
                self.assertEqual(number, 5000)
        run(test())

    def test_what_is_not_read_is_bounded(self):
        async def test():
            a, b, here, there = await joined(send_buffer=65536, recv_buffer=65536, max_unread=100_000)
            async with a, b:
                async def flood():
                    while True:
                        await here.send_line("x" * 8000)
                with self.assertLogs("p2pnet", "WARNING"):
                    flooding = asyncio.create_task(flood())
                    while b._watched is not None:
                        await asyncio.sleep(0.01)
                flooding.cancel()
                self.assertLess(b._router.unread, 110_000)
                self.assertIsNone(b._watched)
                self.assertEqual(await there.read_line(), "x" * 8000)
                while b._watched is None:  # it goes on when there is room
                    await there.read_line()
        run(test())

    def test_errors(self):
        async def test():
            async with p2pnet.aio.Net(**options()) as net:
                with socket.socket() as closed:
                    closed.bind(("127.0.0.1", 0))
                    with self.assertRaises(ConnectionRefusedError) as caught:
                        await net.connect(closed.getsockname())
                self.assertIs(caught.exception.code, Result.REFUSED)
                with self.assertRaises(p2pnet.InvalidError):
                    await net.connect("nonsense")
                with self.assertRaises(TypeError):
                    await net.connect(5)
                with self.assertRaises(p2pnet.ConnectError):
                    await net.bootstrap()
            fresh = p2pnet.aio.Net(**options())
            for call in (fresh.accept, fresh.wait_ready, lambda: fresh.connect("127.0.0.1:1")):
                with self.assertRaises(p2pnet.StateError):
                    await call()
            await fresh.close()
        run(test())

    def test_a_task_that_is_cancelled_cancels_its_request(self):
        async def test():
            with socket.socket() as silent:
                silent.bind(("127.0.0.1", 0))
                silent.listen()
                async with p2pnet.aio.Net(**options(dialect="secure", handshake_timeout_ms=60000)) as net:
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(net.connect(silent.getsockname()), 0.2)
                    while net._router.abandoned:
                        await asyncio.sleep(0.01)
                    self.assertEqual((net._router.pending, net._waiters), ({}, {}))
        run(test())

    def test_reading_that_is_cancelled_loses_nothing(self):
        async def test():
            a, b, here, there = await joined()
            async with a, b:
                for _ in range(20):
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(there.read_line(), 0.001)
                await here.send_line("kept")
                self.assertEqual(await there.read_line(), "kept")
                self.assertEqual(b._waiters, {})
        run(test())

    def test_the_peer_closes(self):
        async def test():
            a, b, here, there = await joined()
            async with a, b:
                await there.send_line("last words")
                there.close()
                self.assertEqual([line async for line in here], ["last words"])
                await here.wait_closed()
                await there.wait_closed()
                with self.assertRaises(p2pnet.ClosedError):
                    await here.send_line("x")
                with self.assertRaises(p2pnet.ClosedError):
                    await here.read_line()
        run(test())

    def test_closing_while_tasks_wait(self):
        async def test():
            a, b, here, there = await joined()
            waiting = [asyncio.create_task(w) for w in (here.read_line(), a.accept(), a.dht_receive())]
            await asyncio.sleep(0)
            await a.close()
            for task in waiting:
                with self.assertRaises((p2pnet.ClosedError, p2pnet.CanceledError)):
                    await task
            self.assertEqual([line async for line in there], [])
            await b.close()
        run(test())

    def test_stop_while_busy(self):
        async def test():
            a, b, here, there = await joined()

            async def flood():
                with self.assertRaises(p2pnet.ClosedError):
                    while True:
                        await here.send_line("x" * 1000)
                        await asyncio.sleep(0)
            task = asyncio.create_task(flood())
            await there.read_line()
            await a.close()
            await task
            await b.close()
        run(test())

    def test_use_after_close(self):
        async def test():
            a, b, here, _ = await joined()
            await a.close()
            await a.close()
            await b.close()
            for call in (a.start, a.accept, a.bootstrap, a.advertise, a.wait_ready, a.dht_receive, here.read_line,
                         here.read, here.read_message, here.take_socket, lambda: here.send_line("x"),
                         lambda: here.send(b"x"), lambda: a.connect("127.0.0.1:1"), lambda: a.dht_put("00" * 20, "x")):
                with self.assertRaises(p2pnet.ClosedError):
                    await call()
            for call in (a.stop, a.unl, a.info, a.stats, a.report, here.info, a.network_changed):
                with self.assertRaises(p2pnet.ClosedError):
                    call()
            here.close()
        run(test())

    def test_in_another_loop(self):
        async def make():
            net = p2pnet.aio.Net(**options())
            await net.start()
            return net

        async def use(net):
            with self.assertRaises(p2pnet.StateError):
                await net.accept()
        loop = asyncio.new_event_loop()
        net = loop.run_until_complete(make())
        asyncio.run(use(net))
        loop.run_until_complete(net.close())
        loop.close()

    def test_a_loop_that_ends_first(self):
        async def forgetful():
            await p2pnet.aio.Net(**options()).start()
        with self.assertWarns(ResourceWarning):
            asyncio.run(forgetful())
            gc.collect()

    def test_loops_in_threads(self):
        failed = []

        def work():
            try:
                async def test():
                    a, b, here, there = await joined()
                    async with a, b:
                        await here.send_line("x")
                        await there.read_line()
                asyncio.run(test())
            except BaseException as why:
                failed.append(why)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_the_loop_is_not_held_up(self):
        """However much has come, the loop's other tasks have their turns in between."""
        async def test():
            a, b, here, there = await joined()
            turns, over = 0, False

            async def take_turns():
                nonlocal turns
                while not over:
                    await asyncio.sleep(0)
                    turns += 1

            async def flood():
                for _ in range(20000):
                    await here.send_line("x" * 100)
                here.close()
            async with a, b:
                others = asyncio.create_task(take_turns()), asyncio.create_task(flood())
                count = 0
                async for _ in there:
                    count += 1
                over = True
                await asyncio.gather(*others)
            self.assertEqual(count, 20000)
            self.assertGreater(turns, 20000 // p2pnet.aio.BATCH - 1)
        asyncio.run(asyncio.wait_for(test(), HUNG))

    def test_a_dht_of_ones_own(self):
        async def test():
            ids, nets = ["aa" * 20, "bb" * 20], {}

            async def carry(to, text):
                nets[to].dht_deliver("", text)
            a, b = (p2pnet.aio.Net(carry=carry, dht=i, **options(net_type="direct")) for i in ids)
            nets.update(zip(ids, (a, b)))
            async with a, b:
                await a.dht_put(ids[1], "carried")
                self.assertEqual((await b.dht_receive()).text, "carried")
        run(test())

    @needs_server
    def test_by_a_server(self):
        async def test(server):
            async with p2pnet.aio.Net(servers=[server], **options(dialect="secure")) as alice:
                self.assertEqual(await alice.bootstrap(), 0)
                await alice.advertise()
                async with p2pnet.aio.Net(servers=[server], **options(dialect="secure")) as bob:
                    self.assertEqual(await bob.bootstrap(), 1)
                    await (await bob.accept()).send_line("found you")
                    self.assertEqual(await (await alice.accept()).read_line(), "found you")
        with Rendezvous() as server:
            run(test(server.address))


if __name__ == "__main__":
    unittest.main()
