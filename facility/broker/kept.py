"""The cache of access tokens with a shelf behind it, and with an eye on whose they are.

While this replica holds a person's shard, memory has what the store has. While it does not, and is asked all the same
because the holder cannot be reached, it hands out what is stored and still good, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from facility.broker import errors
from facility.broker.cache import Fetch, Key, Token, TokenCache
from facility.broker.shards import MovedError, Shards
from facility.broker.shelf import Shelf, owner_of


class KeptCache(TokenCache):
    """A TokenCache that outlives its process."""

    def __init__(self, now: Callable[[], float], shelf: Shelf, shards: Shards) -> None:
        super().__init__(now, changed=shelf.changed)
        shelf.entries = self.entries
        self._shelf, self._shards, self._time = shelf, shards, now

    async def get(self, key: Key, fetch: Fetch, least: float = 0.0) -> Token:
        """See TokenCache. Raises MovedError when another replica has to be asked."""
        owner = owner_of(key.vo, key.user)
        if not self._shards.held(owner):
            return await self._stored(key)
        if not self._shelf.read_before(owner):
            await self._recall(key)

        async def guarded(need: float) -> Token:
            try:
                return await fetch(need)
            except MovedError:
                if not self._shards.held(owner):
                    raise
                raise errors.unavailable("whether this replica may renew tokens is not known", retry_after=1) from None

        return await super().get(key, guarded, least)

    async def _recall(self, key: Key) -> None:
        """Takes in what an earlier process has kept. Raises BrokerError: it became void meanwhile."""
        drops = self._shelf.drops(key.vo, key.user)
        self.restore(await self._shelf.recall(key.vo, key.user))
        if drops != self._shelf.drops(key.vo, key.user):
            raise errors.unavailable("the session or its VO has just changed", retry_after=1)

    def drop(self, vo: str, user: str | None = None) -> None:
        """See TokenCache: nor does the store keep any."""
        super().drop(vo, user)
        self._shelf.drop(vo, user)

    def evict(self, which: Callable[[str], bool]) -> None:
        """Forgets what is in memory of these owners; the store keeps it."""
        for who in [who for who in self._people if which(owner_of(*who))]:
            del self._people[who]
        self._shelf.forget(which)

    async def _stored(self, key: Key) -> Token:
        for entry in await self._shelf.read(key.vo, key.user):
            if entry.key == key and entry.token.expires > self._time():
                return entry.token
        raise MovedError("nothing that is stored will do")
