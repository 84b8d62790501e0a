"""Work that is done again and again in the hub's loop: at once when there is news, else every so many seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable


class Round:
    """Does `work` for as long as it runs; work that fails is tried again in the next round."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float, log: logging.Logger) -> None:
        self._work = work
        self._seconds = seconds
        self._log = log
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There is news."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            try:
                await self._work()
            except Exception:
                self._log.exception("To be tried again in %.0f s", self._seconds)
            try:
                await asyncio.wait_for(self._news.wait(), self._seconds)
            except TimeoutError:
                continue
