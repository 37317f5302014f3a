"""What the tests of PyP2P's names have in common."""
import inspect
import time

from p2pnet.compat.net import Net
from support import HUNG, Case, address


def wait(condition):
    """Looks until it holds."""
    end = time.monotonic() + HUNG / 2
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"hung: {inspect.getsource(condition)}")
        time.sleep(0.01)


class Nets(Case):
    def net(self, **more):
        more.setdefault("passive_bind", address())
        net = Net(**{"passive_port": 0, "node_type": "passive", **more})
        self.addCleanup(net.stop)
        return net.start()

    def joined(self, **more):
        """Two nets, and their connection at each."""
        a, b = self.net(**more), self.net(**more)
        here = a.add_node(b.passive_bind, b.passive_port, "passive")
        self.assertIsNotNone(here)
        return a, b, here, wait(lambda: next(iter(b), None))
