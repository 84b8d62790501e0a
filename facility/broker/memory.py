"""What this replica has in memory of a shard: kept while it holds the shard, stored and forgotten when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from facility.broker.closing import Closing
from facility.broker.kept import KeptCache
from facility.broker.sessions import Sessions
from facility.broker.shards import shard_of
from facility.broker.shelf import Shelf


class Memory:
    """A `holding.Keeper`."""

    def __init__(self, sessions: Sessions, cache: KeptCache, shelf: Shelf, closing: Closing) -> None:
        self._sessions, self._cache, self._shelf, self._closing = sessions, cache, shelf, closing
        self._tasks: set[asyncio.Task[None]] = set()

    def gained(self, shard: int) -> None:
        """See Keeper. What memory may still have of it is older than what is stored."""
        self._forget(shard)
        self._closing.gained(shard)

    async def yielding(self, shard: int) -> None:
        """See Keeper."""
        await self._sessions.flush(lambda record: shard_of(record.user) == shard)
        await self._shelf.flush(_within(shard))
        self._forget(shard)

    def lost(self, shard: int) -> None:
        """See Keeper. A refresh token that is not stored yet still can be, if nobody has stored another."""
        self._forget(shard)
        task = asyncio.create_task(self._sessions.flush(lambda record: shard_of(record.user) == shard))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, shard: int) -> None:
        self._sessions.forget(lambda record: shard_of(record.user) == shard)
        self._cache.evict(_within(shard))


def _within(shard: int) -> Callable[[str], bool]:
    return lambda owner: shard_of(owner) == shard
