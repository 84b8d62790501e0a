"""How fast an issuer is asked: so many requests in a second on average, and whoever needs a token first goes first.

A token bucket, and in front of it a queue by need: a person without a token needs one now, a renewal only when the
token at hand expires, groups are in no hurry at all. So nobody starves, and after an outage those come first who have
nothing left.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable

_GRAIN = 1e-5  # of a request: clocks and sums are not exact
BURST = 2.0  # seconds of requests that may go out at once after a rest


class Bucket:
    """Fills with `rate` a second up to two seconds' worth. Pure: `now` in seconds of a clock that never jumps."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._level = self._most
        self._at = now

    @property
    def _most(self) -> float:
        return max(1.0, self.rate * BURST)

    def wait(self, now: float) -> float:
        """Seconds until one may be taken."""
        self._level = min(self._most, self._level + (now - self._at) * self.rate)
        self._at = now
        return 0.0 if self._level > 1 - _GRAIN else (1 - self._level) / self.rate

    def take(self) -> None:
        """Takes one, there or not: what could not wait is made up for by those who come later."""
        self._level -= 1


class Pace:
    """Turns at one issuer. `now` gives seconds of a clock that never jumps."""

    def __init__(
        self, rate: float, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._bucket = Bucket(rate, now())
        self._now = now
        self._sleep = sleep
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._pump: asyncio.Task[None] | None = None

    def at(self, rate: float) -> None:
        """Goes on at this rate."""
        self._bucket.rate = rate

    def charge(self) -> None:
        """Counts a request that belongs to somebody whose turn it is."""
        self._bucket.take()

    async def turn(self, need: float) -> None:
        """Returns when it is one's turn; who has the smaller `need` comes first. Raises what `refuse` is given."""
        if not self._queue and not self._bucket.wait(self._now()):
            self._bucket.take()
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (need, next(self._numbers), mine))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        await mine

    def refuse(self, error: Callable[[], Exception]) -> None:
        """Sends all away who wait, each with an error of their own."""
        queue, self._queue = self._queue, []
        for _, _, waiting in queue:
            if not waiting.done():
                waiting.set_exception(error())

    async def _run(self) -> None:
        while self._queue:
            if wait := self._bucket.wait(self._now()):
                await self._sleep(wait)
                continue
            _, _, first = heapq.heappop(self._queue)
            if not first.done():  # it may have gone away
                self._bucket.take()
                first.set_result(None)
        self._pump = None
