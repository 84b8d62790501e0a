"""`python3 -m facility.agent.wait SOCKET`: ends as soon as the agent has done its first round, or after a minute.

It is the hook that holds a notebook's start, so it imports as little as it can, and never fails: the kubelet would end
the agent for that. A socket file alone says nothing, as an agent that has ended leaves it behind.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable

_LIMIT = 60.0  # seconds
_PAUSE = 0.02


def wait(
    path: str,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether the agent listens at `path`, now or within a minute."""
    until = now() + _LIMIT
    while not listening(path):
        if now() >= until:
            return False
        sleep(_PAUSE)
    return True


def listening(path: str) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(1.0)
        return one.connect_ex(path) == 0


if __name__ == "__main__":
    wait(sys.argv[1])
