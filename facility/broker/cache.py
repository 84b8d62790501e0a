"""Access tokens in memory: one per (user, audience, scope), asked for once however many want it at the same time.

A token is handed out until little of its life is left, then a new one is fetched; how little differs a bit from token
to token, so that thousands are not renewed in the same second. Whoever has a token that is still good is not kept
waiting for the next one for long, and when no new one is to be had, the old one serves until it expires.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from facility.broker import errors
from facility.broker.errors import BrokerError
from facility.exchange import EARLIEST, margin

SPREAD = 0.2  # by how much of itself that differs from token to token
#: seconds for which a token that could not be renewed is handed out before the next try
AGAIN = 5.0
#: different tokens of one user at a time: scopes can be narrowed without end, the issuer's patience has one
MOST = 32
#: seconds that somebody waits for a new token who has one, or has none; agents hang up after 10
PATIENCE = (1.0, 8.0)
#: seconds of life that a token has at least when it is handed out: answers say how long it is good in whole ones
WORTH = 1.0
SWEEP = 300.0  # seconds between two looks for tokens that have expired


class Key(NamedTuple):
    """Whose token, for what. `user` is empty for the VO's cache, `audience` for what the broker itself exchanges at
    the issuer; `scope` is sorted."""

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


@dataclass(frozen=True)
class Entry:
    """A token that is kept; `life` in seconds, as it was when it came."""

    key: Key
    token: Token
    life: float


@dataclass
class _Kept:
    """`margin`: renewed with less than that left; `pause`: until then it is handed out all the same."""

    entry: Entry
    margin: float
    pause: float = 0.0


#: fetches a token that is needed at this moment (seconds since the epoch)
Fetch = Callable[[float], Awaitable[Token]]


@dataclass
class _Person:
    """What is kept for a user, and what is being fetched."""

    kept: dict[Key, _Kept] = field(default_factory=dict)
    flights: dict[Key, asyncio.Task[Token]] = field(default_factory=dict)

    def sweep(self, now: float) -> bool:
        """Throws expired tokens away; whether anything is left."""
        self.kept = {key: kept for key, kept in self.kept.items() if kept.entry.token.expires > now}
        return bool(self.kept or self.flights)


class TokenCache:
    """Tokens by key.

    `now` gives seconds since the epoch, `spread` a number from -1 to 1; `changed` is told of each key whose token has
    come or gone; `patience`: see PATIENCE.
    """

    def __init__(
        self,
        now: Callable[[], float],
        spread: Callable[[], float] | None = None,
        changed: Callable[[Key], None] = lambda _: None,
        patience: tuple[float, float] = PATIENCE,
    ) -> None:
        self._now = now
        self._spread = spread or (lambda: random.uniform(-1, 1))  # noqa: S311 - spreads load, guards nothing
        self._changed = changed
        self._patience = patience
        self._people: defaultdict[tuple[str, str], _Person] = defaultdict(_Person)
        self._tasks: set[asyncio.Task[Token]] = set()
        self._swept = now()

    async def get(self, key: Key, fetch: Fetch, least: float = 0.0) -> Token:
        """A token with life in it, and with more than `least` seconds of it unless the issuer is in trouble.

        Raises:
            BrokerError: 400 when `least` is more than EARLIEST of a token's life; whatever `fetch` raises when nothing
                at hand will do.
        """
        kept = self._find(key)
        if kept is not None and self._good(kept, least):
            return kept.entry.token
        token = await self._fetched(key, fetch, kept)
        if (new := self._find(key)) is not None and new.entry.token is token:
            _check(new.entry.life, least)
        return token

    def drop(self, vo: str, user: str | None = None) -> None:
        """Forgets the tokens of a VO, or of one user; what is being fetched for them will not be kept."""
        whose = [(vo, user)] if user is not None else [who for who in self._people if who[0] == vo]
        for person in [self._people.pop(who, _Person()) for who in whose]:
            for key in person.kept:
                self._changed(key)

    def forget(self, key: Key, token: Token) -> None:
        """Forgets this one token; a newer one of the key stays."""
        kept = self._find(key)
        if kept is not None and kept.entry.token == token:
            del self._people[key.vo, key.user].kept[key]
            self._changed(key)

    def overdue(self, key: Key, least: float = 0.0) -> bool:
        """Whether what is kept has so little life left that a new token would be here by now if one could be had."""
        kept = self._find(key)
        return kept is not None and self._left(kept) <= max(kept.margin, least)

    def entries(self, vo: str | None = None, user: str | None = None) -> list[Entry]:
        """What is kept and has not expired, of everybody, of a VO, or of one user of it."""
        now = self._now()
        return [one.entry for one in self._of(vo, user) if one.entry.token.expires > now]

    def restore(self, entries: Iterable[Entry]) -> None:
        """Takes in what an earlier process had kept, as far as it is still good and memory has nothing better."""
        for entry in entries:
            known = self._find(entry.key)
            if entry.token.expires > max(self._now(), known.entry.token.expires if known else 0.0):
                self._put(entry)

    async def settle(self) -> None:
        """Waits for all that is being fetched."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _find(self, key: Key) -> _Kept | None:
        person = self._people.get((key.vo, key.user))
        return person.kept.get(key) if person else None

    def _good(self, kept: _Kept, least: float) -> bool:
        left = self._left(kept)
        if left < WORTH:
            return False
        _check(kept.entry.life, least)
        return left > max(kept.margin, least) or self._now() < kept.pause

    def _left(self, kept: _Kept) -> float:
        return kept.entry.token.expires - self._now()

    def _of(self, vo: str | None, user: str | None) -> Iterator[_Kept]:
        if vo is not None and user is not None:
            person = self._people.get((vo, user))
            yield from person.kept.values() if person else ()
            return
        for who, person in self._people.items():
            if vo in (None, who[0]):
                yield from person.kept.values()

    async def _fetched(self, key: Key, fetch: Fetch, kept: _Kept | None) -> Token:
        """A new token, or the one at hand if that is good and the new one takes long."""
        old = kept.entry.token if kept and self._left(kept) >= WORTH else None
        flight = self._flight(key, fetch, old.expires if old else self._now())
        # A caller who goes away must not take the fetch from the others, nor cut it short between rotation and store.
        done, _ = await asyncio.wait({flight}, timeout=self._patience[0 if old else 1])
        if done:
            return flight.result()
        if old is not None and old.expires >= self._now() + WORTH:
            return old
        raise errors.unavailable("the issuer is being asked; it takes its time")

    def _flight(self, key: Key, fetch: Fetch, need: float) -> asyncio.Task[Token]:
        """The fetch under way, or a new one."""
        person = self._people[key.vo, key.user]
        if key not in person.flights:
            self._make_room(person, key)
            person.flights[key] = task = asyncio.create_task(self._fly(person, key, fetch, need))
            self._tasks.add(task)
            task.add_done_callback(self._landed)
        return person.flights[key]

    def _make_room(self, person: _Person, key: Key) -> None:
        """Throws expired tokens away. Raises BrokerError when the user has too many all the same."""
        now = self._now()
        if now >= self._swept + SWEEP:
            self._swept = now
            for who in [who for who, one in self._people.items() if one is not person and not one.sweep(now)]:
                del self._people[who]
        person.sweep(now)
        if len({*person.kept, *person.flights} - {key}) >= MOST:
            raise errors.unavailable(f"more than {MOST} different tokens at a time", retry_after=60)

    def _landed(self, task: asyncio.Task[Token]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen, should all callers have gone away

    async def _fly(self, person: _Person, key: Key, fetch: Fetch, need: float) -> Token:
        try:
            token = await fetch(need)
        except BrokerError as error:
            return self._fall_back(key, error)
        else:
            if self._people.get((key.vo, key.user)) is person:  # not dropped meanwhile
                self._put(Entry(key, token, token.expires - self._now()))
                self._changed(key)
            return token
        finally:
            del person.flights[key]

    def _put(self, entry: Entry) -> None:
        left = margin(entry.life) * (1 + SPREAD * self._spread())
        self._people[entry.key.vo, entry.key.user].kept[entry.key] = _Kept(entry, left)

    def _fall_back(self, key: Key, error: BrokerError) -> Token:
        kept = self._find(key)
        if error.status != 503 or kept is None or self._left(kept) < WORTH:
            raise error
        kept.pause = self._now() + AGAIN
        return kept.entry.token


def _check(life: float, least: float) -> None:
    """Raises BrokerError when so much life is asked for that tokens would be renewed all the time."""
    if least > life * EARLIEST:
        most = int(life * EARLIEST)
        raise errors.invalid_request(f"min_valid can be {most} at most: two thirds of the life of these tokens")
