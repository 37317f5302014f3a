"""PyP2P's NAT-PMP: see upnp.py."""
from ._gone import gone
from .upnp import INSTEAD


class NatPMP:
    def __init__(self, interface="default"):
        self.interface = interface

    def forward_port(self, proto, src_port, dest_ip, dest_port=None):
        gone("NatPMP.forward_port", INSTEAD)


def get_public_address(gateway_ip=None, retry=9):
    gone("get_public_address", "Net.wan_ip tells this node's address from outside")


def get_gateway_addr():
    gone("get_gateway_addr", "lib.get_default_gateway() tells the router's address")


def map_port(*_arguments, **_more):
    gone("map_port", INSTEAD)


map_tcp_port = map_udp_port = map_port
