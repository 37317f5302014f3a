"""Lets the original PyP2P 0.8.3 run, unedited, on Python 3.8 to 3.11 and on loopback.

Import this before anything of pyp2p. It gives back what newer Pythons took away, keeps the original from looking at the
machine's network (it would open netlink sockets while being imported), and `redirect` replaces the servers on the
internet that are written into its modules. Running this file imports all of the original, which shows that it can be.
"""
import os
import random
import sys
import threading
import warnings

warnings.simplefilter("ignore")

# A proxy of the machine must not see requests to loopback.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"

# random.shuffle(x, function) ended with Python 3.11.
if sys.version_info >= (3, 11):
    random.shuffle = lambda items, _function=None, _shuffle=random.shuffle: _shuffle(items)

# Both ended with Python 3.9.
if not hasattr(sys, "setcheckinterval"):
    sys.setcheckinterval = lambda _steps: None
if not hasattr(threading.Thread, "isAlive"):
    threading.Thread.isAlive = threading.Thread.is_alive


def _no_routes():
    raise OSError("the tests do not look at the machine's routes")


try:
    import pyroute2

    # pyp2p.lib makes an IPDB when imported and takes an IOError for "there is none".
    pyroute2.IPDB = _no_routes
except ImportError:
    pass


def redirect(lan_ip=None, rendezvous=(), http=None):
    """Points the original at other servers.

    lan_ip: what it takes for its address on the local network, and binds outgoing connections to if it was given an
    interface. rendezvous: list of (address, port). http: (address, port) of net.php and dht_msg.php.
    """
    from pyp2p import dht_msg, ipgetter, lib, net, rendezvous_client, sock, unl

    # Public "what is my address" sites are its last resort.
    ipgetter.IPgetter.fetch = lambda self, server: ""
    lib.ntp_servers[:] = []
    if lan_ip is not None:
        for module in (lib, net, rendezvous_client, sock, unl):
            module.get_lan_ip = lambda interface="default": lan_ip
    net.rendezvous_servers[:] = [{"addr": address, "port": port} for address, port in rendezvous]
    net.forwarding_servers[:] = []
    dht_msg.dht_msg_endpoint = "http://127.0.0.1:9/dht_msg.php"
    if http is not None:
        net.forwarding_servers.append({"addr": http[0], "port": http[1], "url": "/net.php"})
        dht_msg.dht_msg_endpoint = "http://%s:%d/dht_msg.php" % http


if __name__ == "__main__":
    import pyp2p.dht_msg
    import pyp2p.net
    import pyp2p.rendezvous_server
    import pyp2p.unl  # noqa: F401
