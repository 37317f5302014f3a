"""What a net leaves behind: nothing. And what happens when it is not closed, or collected in any order."""
import gc
import itertools
import os
import subprocess
import sys
import threading
import unittest

import p2pnet
from p2pnet import _native
from support import HUNG, Case, at, options, pair, python, until

TIMES = 1000
# Bytes that memory may have grown by after that: allocators keep some. An event that is not freed each time is more.
MARGIN = 400 * 1024


def resident():
    """Bytes of memory in use."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def threads():
    return len(os.listdir("/proc/self/task"))


class Leaks(Case):
    @unittest.skipUnless(os.path.isdir("/proc/self/task"), "needs /proc")
    def nothing_leaks(self, once, times=TIMES):
        """Does something so often, and looks at memory, descriptors, threads and nets."""
        for _ in range(max(3, times // 10)):  # what is kept for later is there after this
            once()
        gc.collect()
        memory, files, tasks = resident(), descriptors(), threads()
        for _ in range(times):
            once()
        gc.collect()
        grown = resident() - memory
        # A thread that has ended is still listed for a moment.
        until(self, lambda: descriptors() <= files and threads() <= tasks)
        self.assertLess(grown, MARGIN)
        self.assertEqual(len(_native._living), 0)

    def test_nets_made_and_closed(self):
        self.nothing_leaks(lambda: p2pnet.Net(**options()).close())

    def test_nets_started_and_closed(self):
        def once():
            with p2pnet.Net(**options()) as net:
                net.core.fileno()
        self.nothing_leaks(once)

    def test_nets_of_the_secure_dialect_left_to_the_collector(self):
        def once():
            import warnings
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                p2pnet.Net(**options(dialect="secure")).start()
                gc.collect(0)
        self.nothing_leaks(once, 300)

    def test_connections(self):
        a, b = (p2pnet.Net(**options(duplicate_ip=1)).start() for _ in range(2))

        def once():
            here = a.connect(at(b), HUNG)
            there = b.accept(HUNG)
            here.send_line("x" * 100)
            there.read_line(HUNG)
            here.close()
            list(there)
            list(here)
        try:
            for _ in range(100):
                once()
            gc.collect()
            memory, files = resident(), descriptors()
            for _ in range(TIMES):
                once()
            gc.collect()
            self.assertLess(resident() - memory, MARGIN)
            until(self, lambda: descriptors() <= files)  # the last sockets may be closing
            self.assertEqual((len(a._router.conns), len(b._router.conns), len(a._router.pending)), (0, 0, 0))
        finally:
            a.close()
            b.close()

    def test_failures(self):
        with p2pnet.Net(**options()) as net:
            def once():
                for bad in (lambda: net.connect("nonsense"), lambda: p2pnet.Net(passive_port=-5),
                            lambda: p2pnet.unl_info("x"), lambda: net.unl(nonsense=1)):
                    try:
                        bad()
                    except p2pnet.Error:
                        pass
            for _ in range(TIMES // 10):
                once()
            gc.collect()
            memory = resident()
            for _ in range(TIMES):
                once()
            gc.collect()
            self.assertLess(resident() - memory, MARGIN)

    def test_through_asyncio(self):
        import asyncio
        import p2pnet.aio

        async def some():
            for _ in range(100):
                async with p2pnet.aio.Net(**options()):
                    pass
        self.nothing_leaks(lambda: asyncio.run(some()), 10)


class Orders(Case):
    def test_finalizers_in_any_order(self):
        """A net, its core, its handle and a connection go in every order, closed or not."""
        import warnings
        for order in itertools.permutations(range(4)):
            for close in (False, True):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ResourceWarning)
                    a, b, here, there = pair(_Keeper())
                    held = [a, a.core, a.core._handle, here]
                    del a, here
                    if close:
                        held[0].close()
                    for which in order:
                        held[which] = None
                        gc.collect()
                    for _ in there:
                        pass
                    b.close()
        self.assertEqual(len(_native._living), 0)

    def test_a_cycle_with_the_net_in_it(self):
        class Holder:
            def __init__(self):
                self.net = p2pnet.Net(on_info=self.changed, **options()).start()

            def changed(self):
                pass
        Holder()
        with self.assertWarns(ResourceWarning):
            gc.collect()
        self.assertEqual(len(_native._living), 0)

    def test_a_handle_lives_while_a_call_is_in_it(self):
        net = p2pnet.EventNet(**options())
        net.start()
        while net.next_event() is None or net.wait(0) and net.stats().events_queued:
            pass
        entered, left = threading.Event(), threading.Event()

        def wait():
            entered.set()
            try:
                while net.wait():
                    list(net.events())
            except p2pnet.ClosedError:
                pass
            left.set()
        thread = threading.Thread(target=wait)
        thread.start()
        entered.wait()
        net.close()  # wakes it, and whoever is last frees the net
        thread.join(HUNG)
        self.assertTrue(left.is_set())
        self.assertEqual(len(_native._living), 0)

    def test_a_net_that_could_not_be_made(self):
        for bad in ({"nonsense": 1}, {"passive_port": -1}, {"encoding": "nonsense"}):
            try:
                p2pnet.Net(**bad)
            except (TypeError, LookupError, p2pnet.Error):
                pass
            gc.collect()
        self.assertEqual(len(_native._living), 0)


class _Keeper:
    """What pair() wants of a test; nothing is closed here."""

    @staticmethod
    def addCleanup(*_):
        pass


class Processes(Case):
    def run_program(self, text, status=0):
        with python("-X", "dev", "-c", text) as program:
            ended = program.ended()
            self.assertEqual(ended, status, program.text())
            return program.text()

    def test_the_end_of_a_program_that_closes_nothing(self):
        net = p2pnet.Net(**options()).start()
        self.addCleanup(net.close)
        said = self.run_program(
            "import p2pnet, threading\n"
            "net = p2pnet.Net(node_type='passive', passive_bind='127.0.0.8', dialect='classic').start()\n"
            "other = p2pnet.Net(node_type='passive', passive_bind='127.0.0.8', dialect='classic').start()\n"
            f"conn = net.connect('{at(net)}')\n"
            "threading.Thread(target=conn.read_line, daemon=True).start()\n"
            "threading.Thread(target=other.accept, daemon=True).start()\n"
            "conn.send_line('sent before the end')\n"
            "print('end')\n")
        self.assertIn("end", said)
        self.assertEqual(list(net.accept(HUNG)), ["sent before the end"])

    def test_the_end_with_an_exception(self):
        said = self.run_program(
            "import p2pnet\n"
            "net = p2pnet.Net(node_type='passive', passive_bind='127.0.0.8', dialect='classic').start()\n"
            "1 / 0\n", 1)
        self.assertIn("ZeroDivisionError", said)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork() here")
    def test_in_a_forked_child(self):
        said = self.run_program(
            "import os, gc, p2pnet, warnings\n"
            "warnings.simplefilter('ignore')\n"
            "net = p2pnet.Net(node_type='passive', passive_bind='127.0.0.8', dialect='classic').start()\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    try:\n"
            "        net.info()\n"
            "    except p2pnet.ClosedError as why:\n"
            "        print('child:', why, flush=True)\n"
            "    net.close()\n"
            "    with p2pnet.Net(node_type='passive', passive_bind='127.0.0.8', dialect='classic') as own:\n"
            "        print('its own', own.info().passive_port > 0, flush=True)\n"
            "    os._exit(0)\n"
            "print('status', os.waitpid(pid, 0)[1], flush=True)\n"
            "print('parent', net.info().passive_port > 0)\n"
            "net.close()\n")
        self.assertIn("child: the net is of the parent process", said)
        for part in ("its own True", "status 0", "parent True"):
            self.assertIn(part, said)

    def test_without_the_library(self):
        env = {**os.environ, "P2PNET_LIBRARY": "/nonexistent/libp2pnet.so"}
        done = subprocess.run([sys.executable, "-c", "import p2pnet"], env=env, capture_output=True, text=True, check=False)
        self.assertIn("ImportError: libp2pnet cannot be loaded", done.stderr)
        self.assertIn("P2PNET_LIBRARY", done.stderr)


if __name__ == "__main__":
    unittest.main()
