"""Access tokens in memory: one per (user, audience, scope), asked for once however many want it at the same time.

A token is handed out while it has more than about half of its life left, then a new one is fetched; the odd tenth
keeps thousands of tokens from being renewed in the same second. When no new one is to be had, the old one serves
until it expires. Nothing here is ever written anywhere.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from facility.broker.errors import BrokerError, unavailable

JITTER = 0.1
#: seconds for which a token that could not be renewed is handed out before the next try
AGAIN = 5.0
#: different tokens of one user at a time: scopes can be narrowed without end, the issuer's patience has one
MOST = 32


@dataclass(frozen=True)
class Key:
    """Whose token, for what. `user` is empty for the VO's cache; `scope` is sorted."""

    vo: str
    user: str
    audience: str
    scope: str


@dataclass(frozen=True)
class Token:
    """An access token as it was found good; `expires` in seconds since the epoch."""

    value: str = field(repr=False)
    scope: str
    expires: float


@dataclass
class _Entry:
    token: Token
    renew: float


Fetch = Callable[[], Awaitable[Token]]


class TokenCache:
    """Tokens by key. `now` gives seconds since the epoch, `spread` a number from -1 to 1."""

    def __init__(self, now: Callable[[], float], spread: Callable[[], float] | None = None) -> None:
        self._now = now
        self._spread = spread or (lambda: random.uniform(-1, 1))  # noqa: S311 - spreads load, guards nothing
        self._entries: dict[Key, _Entry] = {}
        self._flights: dict[Key, asyncio.Task[Token]] = {}
        self._tasks: set[asyncio.Task[Token]] = set()

    async def get(self, key: Key, fetch: Fetch) -> Token:
        """A token with life in it, from memory or by `fetch`. Raises what `fetch` raises if nothing cached will do."""
        entry = self._entries.get(key)
        if entry is not None and self._now() < entry.renew:
            return entry.token
        flight = self._flights.get(key)
        if flight is None:
            self._make_room(key)
            flight = self._flights[key] = self._start(key, fetch)
        # A caller who goes away must not take the fetch from the others, nor cut it short between rotation and store.
        return await asyncio.shield(flight)

    def drop(self, vo: str, user: str | None = None) -> None:
        """Forgets the tokens of a VO, or of one user; what is being fetched for them will not be kept."""
        for key in [key for key in {*self._entries, *self._flights} if key.vo == vo and user in (None, key.user)]:
            self._entries.pop(key, None)
            self._flights.pop(key, None)

    async def settle(self) -> None:
        """Waits for all that is being fetched."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _make_room(self, key: Key) -> None:
        """Throws expired tokens away. Raises BrokerError when the user has too many all the same."""
        now = self._now()
        for old in [old for old, entry in self._entries.items() if entry.token.expires <= now]:
            del self._entries[old]
        others = {one for one in {*self._entries, *self._flights} if (one.vo, one.user) == (key.vo, key.user)} - {key}
        if len(others) >= MOST:
            raise unavailable(f"more than {MOST} different tokens at a time", retry_after=60)

    def _start(self, key: Key, fetch: Fetch) -> asyncio.Task[Token]:
        task = asyncio.create_task(self._fly(key, fetch))
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[Token]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen, should all callers have gone away

    async def _fly(self, key: Key, fetch: Fetch) -> Token:
        try:
            token = await fetch()
        except BrokerError as error:
            return self._fall_back(key, error)
        else:
            self._keep(key, token)
            return token
        finally:
            if self._mine(key):
                del self._flights[key]

    def _keep(self, key: Key, token: Token) -> None:
        if self._mine(key):
            now = self._now()
            self._entries[key] = _Entry(token, now + (token.expires - now) * (0.5 + JITTER * self._spread()))

    def _fall_back(self, key: Key, error: BrokerError) -> Token:
        entry = self._entries.get(key)
        if error.status != 503 or entry is None or entry.token.expires <= self._now():
            raise error
        entry.renew = min(self._now() + AGAIN, entry.token.expires)
        return entry.token

    def _mine(self, key: Key) -> bool:
        return self._flights.get(key) is asyncio.current_task()
