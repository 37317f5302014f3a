"""What there is no use for any more, so that programs that name it can be told why."""


class Gone(NotImplementedError):
    """A part of PyP2P that p2pnet has no counterpart for. The message says what to do instead."""


def gone(what, instead):
    """Raises Gone."""
    raise Gone(f"{what} is not part of p2pnet.compat: {instead}")
