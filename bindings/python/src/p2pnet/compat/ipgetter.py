"""PyP2P's ipgetter asked 45 public web sites for this machine's address. This one asks the program's own servers."""


def myip():
    """This machine's address as net.forwarding_servers see it, "" if none answers."""
    from .lib import get_wan_ip
    return get_wan_ip() or ""


class IPgetter:
    def get_external_ip(self):
        return myip()
