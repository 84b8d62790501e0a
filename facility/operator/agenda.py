"""What is to be done, each thing once however often it is asked for, none twice at a time, and none too often."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

_LONGEST = 60.0  # seconds between two tries of what fails


class Agenda:
    """Names of things to do, each with the time from which on it is due.

    `quiet`: seconds to wait for further changes of the same thing; `gap`: least seconds between two turns of it.
    """

    def __init__(self, quiet: float = 0.1, gap: float = 0.5, now: Callable[[], float] = time.monotonic) -> None:
        self._quiet, self._gap, self._now = quiet, gap, now
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._busy: set[str] = set()
        self._last: dict[str, float] = {}
        self._failed: Counter[str] = Counter()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many are due by now, being done or not."""
        now = self._now()
        return sum(due <= now for due in self._due.values())

    def add(self, item: str, delay: float | None = None) -> None:
        """To be done, `delay` seconds from now at the latest; soon, if none is given."""
        now = self._now()
        wanted = max(now + (self._quiet if delay is None else delay), self._last.get(item, now - self._gap) + self._gap)
        if wanted < self._due.get(item, float("inf")):
            self._due[item] = wanted
            heapq.heappush(self._heap, (wanted, item))
            self._news.set()

    async def take(self) -> str:
        """The next thing that is due and not being done, when there is one. For one caller at a time."""
        while True:
            self._news.clear()
            wait = self._wait()
            if wait is None or wait > 0:
                await self._sleep(wait)
                continue
            _, item = heapq.heappop(self._heap)
            del self._due[item]
            self._busy.add(item)
            return item

    def done(self, item: str, again: float | None = None) -> None:
        """It went well. `again`: seconds after which to do it anyway."""
        self._failed.pop(item, None)
        self._free(item)
        if again is not None:
            self.add(item, again)

    def failed(self, item: str) -> float:
        """It did not; it is tried again after the seconds returned, more each time."""
        self._failed[item] += 1
        delay = float(min(_LONGEST, 2.0 ** (self._failed[item] - 1)) * random.uniform(0.5, 1))  # noqa: S311 - spread
        self._free(item)
        self.add(item, delay)
        return delay

    def _free(self, item: str) -> None:
        self._busy.discard(item)
        self._last[item] = self._now()
        if item in self._due:
            self._due[item] = max(self._due[item], self._last[item] + self._gap)
            heapq.heappush(self._heap, (self._due[item], item))
        self._news.set()

    def _wait(self) -> float | None:
        """Seconds until the first is due; None when there is none. Entries that were overtaken are thrown away."""
        while self._heap:
            due, item = self._heap[0]
            if self._due.get(item) == due and item not in self._busy:
                return due - self._now()
            heapq.heappop(self._heap)  # one that is being done is put back when it is free
        return None

    async def _sleep(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
