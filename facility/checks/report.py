"""How a check tells what it found: one line per thing that was looked at, and an exit status."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

#: tries and seconds between them: a network policy reaches a new pod a little after the pod has started
TRIES, PAUSE = 6, 2.0


def patiently(look: Callable[[], str], pause: Callable[[float], object] = time.sleep) -> str:
    """What `look` finds wrong, when it is still wrong at the last try; empty when all is well."""
    wrong = look()
    for _ in range(TRIES - 1):
        if not wrong:
            return ""
        pause(PAUSE)
        wrong = look()
    return wrong


def report(found: Mapping[str, str], well: str) -> int:
    """Prints a line for each name, what is wrong with it or else `well`. 1 when anything is wrong, else 0."""
    for name, wrong in found.items():
        print(f"{name}: {wrong or well}")
    return 1 if any(found.values()) else 0
