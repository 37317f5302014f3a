"""PyP2P's names over p2pnet: `from pyp2p.net import *` becomes `from p2pnet.compat.net import *`.

The dialect is PyP2P's (classic): these nodes and PyP2P's find each other and talk. What is different, and what is not there any
more, is in the README of the package.

PyP2P's servers on the internet, written into its modules, are long gone. Which ones to use is said in the lists of the modules as
before (net.rendezvous_servers, net.forwarding_servers, dht_msg.dht_msg_endpoint), by Net(servers=...), or for programs that shall
not be changed by environment variables, read when this is imported:

    P2PNET_RENDEZVOUS=host:port[,host:port]       rendezvous servers
    P2PNET_FORWARDING=http://host:port/net.php    scripts that tell whether a port is open
    P2PNET_DHT_MSG=http://host:port/dht_msg.php   the mailbox for messages
"""
