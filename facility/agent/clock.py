"""The clock that tokens are judged by: one that nobody sets.

How long a token is good comes from the broker as seconds to go. Counted by a node's time of day, a clock that is set
by five minutes would throw good tokens away or keep dead ones; counted by the time since the node's start, it does
nothing. All containers of a pod see the same one, so the next agent, and whoever reads `status.json`, goes on counting.
"""

from __future__ import annotations

import time


def steady() -> float:
    """Seconds since the machine was started, those included in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
