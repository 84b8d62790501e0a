"""Time that passes only when everybody waits, and then at once: a day of a program in the seconds that it computes."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time` begins at 0 and jumps to the next timer; no real file is ever waited for."""

    def __init__(self) -> None:
        self.at = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.at


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits for something that will never happen")
        if not ready and timeout:
            self._loop.at += timeout
        return ready


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it on a loop of its own, and ends what it has left behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now() -> float:
    """Seconds since the running loop began, from a moment that no real clock shows."""
    return 1_800_000_000.0 + asyncio.get_running_loop().time()
