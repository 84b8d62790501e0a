"""One piece of work that many ask for at once and that must not overlap with itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Coalesced:
    """Calls `work` for all who have asked since it last began."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None

    async def again(self) -> None:
        """Wait for a run that begins after this call. Raises what `work` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run())
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        async with self._lock:
            self._next = None  # whoever comes from now on may have news that this run has not seen
            await self._work()
