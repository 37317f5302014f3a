"""The programs of PyP2P's guide, in guide/: only their import lines were changed. Each is a process of its own.

On loopback the addresses are replaced by others of this machine. As root on Linux they also run as they stand, in a network of
their own with the guide's interfaces.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import HERE, Case, Program, Rendezvous, address, needs_server

GUIDE = HERE / "guide"


class Guide:
    """The tests; where they run is in the classes below."""

    def scene(self):
        """(server, folder with the programs, what to put before a command)"""
        raise NotImplementedError

    def start(self, name):
        server, folder, before = self.scene_now
        env = {"P2PNET_RENDEZVOUS": server.address, "P2PNET_DHT_MSG": f"http://{server.http}/dht_msg.php",
               "P2PNET_FORWARDING": f"http://{server.http}/net.php"}
        program = Program(*before, sys.executable, "-u", folder / f"{name}.py", env=env)
        self.addCleanup(program.__exit__)
        return program

    def test_alice_and_bob(self):
        self.scene_now = self.scene()
        alice = self.start("alice")
        self.scene_now[0].wait_for(r"listed|registered")  # then she can be found
        self.start("bob")
        alice.wait_for("^test$", 3)

    def test_direct_connect(self):
        self.scene_now = self.scene()
        direct = self.start("direct")
        # Other threads' words may come between a line and its end.
        direct.wait_for(r"^Alice successfully connected to Bob\.")
        direct.wait_for(r"^Sup Bob\.")

    def test_only_the_import_lines_were_changed(self):
        for program in GUIDE.glob("*.py"):
            text = program.read_text(encoding="ascii")
            self.assertNotIn("pyp2p", text)
            self.assertEqual(text.count("p2pnet"), len(re.findall(r"^from p2pnet\.compat\.\w+ import ", text, re.M)))


@needs_server
class OnLoopback(Guide, Case):
    def scene(self):
        alice, bob, here = address(), address(), address()
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        for program in GUIDE.glob("*.py"):
            text = program.read_text(encoding="ascii")
            text = text.replace("192.168.0.45", alice).replace("192.168.0.44", bob)
            (folder / program.name).write_text(re.sub(r"eth0:\d", "default", text), encoding="ascii")
        server = Rendezvous(here)
        self.addCleanup(server.__exit__)
        return server, folder, []


SETUP = """
ip link set lo up && ip link add eth0 type veth peer name cable && ip link set cable up && ip link set eth0 up &&
ip addr add 192.168.0.60/24 brd + dev eth0 && ip addr add 192.168.0.44/24 brd + dev eth0 label eth0:1 &&
ip addr add 192.168.0.45/24 brd + dev eth0 label eth0:2 && ip route add default via 192.168.0.1 && echo ready && exec cat
"""


def why_no_namespace():
    for program in ("unshare", "nsenter", "ip"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else None


NO_NAMESPACE = why_no_namespace()


@needs_server
@unittest.skipIf(NO_NAMESPACE, NO_NAMESPACE or "")
class AsTheyStand(Guide, Case):
    def scene(self):
        network = Program("unshare", "--net", "sh", "-c", SETUP)
        self.addCleanup(network.__exit__)
        network.wait_for("^ready$")
        before = ["nsenter", f"--net=/proc/{network.process.pid}/ns/net"]
        server = Rendezvous("192.168.0.60", before)
        self.addCleanup(server.__exit__)
        return server, GUIDE, before


if __name__ == "__main__":
    unittest.main()
