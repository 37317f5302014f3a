"""PyP2P's client of rendezvous servers. A net talks to them by itself; what is left is for programs that do so by hand.

Measuring the NAT and punching, which made up most of it, are the library's: see _gone.
"""
import logging
import random

from ._gone import gone
from .lib import *  # noqa: F401,F403  as `from pyp2p.rendezvous_client import *` had it
from .sock import Sock

log = logging.getLogger("p2pnet.compat")
INSTEAD = "net.unl.connect() punches where it is needed, and the net itself answers those who call it"


class RendezvousClient:
    def __init__(self, nat_type, rendezvous_servers, interface="default", sys_clock=None):
        self.nat_type, self.rendezvous_servers, self.interface = nat_type, rendezvous_servers, interface
        self.sys_clock = sys_clock
        self.nat_tests, self.port_collisions, self.mapping_no, self.ntp_delay, self.timeout = 5, 1, 4, 6, 5
        self.delta, self.predictable_nats = 0, ["preserving", "delta"]
        self.server_con, self.mappings, self.predictions, self.simultaneous_cons = None, None, "", []
        self._net = None

    def server_connect(self, sock=None, index=None, servers=None):
        """A connection to the server of that index, or to the first that answers in random order."""
        servers = servers or self.rendezvous_servers
        if index is not None:
            tried = [servers[index]]
        else:
            tried = random.sample(list(servers), len(servers))
        for server in tried:
            con = sock or Sock(blocking=1, timeout=2, interface=self.interface)
            try:
                con.connect(server["addr"], server["port"])
                return con
            except OSError as e:
                log.warning("%s", e)
        raise Exception("All rendezvous servers are down." if servers else "No rendezvous server is configured.")

    def _tell(self, line):
        con = self.server_connect()
        try:
            con.send_line(line)
        finally:
            con.close()

    def leave_fight(self):
        """Takes this address off the servers' list. (A net that stops does so by itself.)"""
        self._tell("CLEAR")

    def passive_listen(self, port, max_inbound=10):
        """Has this address listed with that port. (net.advertise() does it, and again when it is needed.)"""
        self._tell(f"PASSIVE READY {port} {max_inbound}")

    def determine_nat(self, return_instantly=1):
        """The NAT that the net has found itself behind."""
        return self._net.nat_type if self._net is not None else self.nat_type

    def parse_remote_port(self, reply):
        """The port in a server's "REMOTE TCP port"; 0 if it is none."""
        words = reply.split()
        return int(words[2]) if len(words) == 3 and words[0] == "REMOTE" and words[2].isdigit() else 0

    def _by_the_library(self, *_arguments, **_more):
        gone("hole punching by hand", INSTEAD)

    simultaneous_listen = simultaneous_challenge = sequential_connect = _by_the_library
    attend_fight = simultaneous_fight = throw_punch = _by_the_library
    add_listen_sock = predict_mappings = delta_test = _by_the_library
