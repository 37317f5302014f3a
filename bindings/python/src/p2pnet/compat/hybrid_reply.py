"""PyP2P's record of an answer of a routing protocol. A plain record: nothing here sends it."""
import time


class HybridReply:
    """recipient: "source", "everyone" or "route"; retransmit_interval: 0 never, -1 for ever, else so many times."""

    def __init__(self, msg, network, recipient, retransmit_interval=0, record_seen=1):
        self.msg, self.network, self.recipient = msg, network, recipient
        self.retransmit_interval, self.record_seen = retransmit_interval, record_seen
        self.source_con, self.routes = None, []
        self.last_run_time = time.time()
        self.set_status_checker(lambda reply: 1)

    def set_status_checker(self, func):
        """func(reply) gives 1 (send it), 0 (not yet) or -1 (drop it)."""
        self.status_checker = func

    def add_routes(self, routes):
        self.routes = routes

    def to_str(self):
        return f"{self.network} {self.recipient} {self.routes} {self.source_con} {self.msg}"

    def copy(self):
        """Another one with the same message and way."""
        other = HybridReply(self.msg, self.network, self.recipient)
        other.source_con, other.routes = self.source_con, self.routes
        return other
