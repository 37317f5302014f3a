"""PyP2P's UPnP: a net opens its port by itself, by PCP, NAT-PMP and UPnP, renews it and closes it."""
from ._gone import gone

INSTEAD = "a Net opens its port on the router itself while enable_forwarding is 1, and closes it when it stops"


class UPnP:
    def __init__(self, interface="default"):
        self.interface = interface

    def find_gateway(self):
        gone("UPnP.find_gateway", INSTEAD)

    def forward_port(self, proto, src_port, dest_ip, dest_port=None):
        gone("UPnP.forward_port", INSTEAD)
