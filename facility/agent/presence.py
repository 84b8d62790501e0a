"""Whether an agent is there: a socket file alone says nothing, as an agent that has ended leaves it behind."""

from __future__ import annotations

import socket


def listening(path: str) -> bool:
    """Whether somebody takes connections at the socket `path`."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(1.0)
        return one.connect_ex(path) == 0
