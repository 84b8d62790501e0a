"""A person whose object is removed loses session and tokens here, and the session at the issuer.

Tokens are dropped, and a session in memory is dead, in that moment. The store is tried until nothing is left in it: one
that follows people does that by itself, another has nobody else to do it. Somebody who has signed in again meanwhile
has another object, and keeps what came with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from facility import names
from facility.broker.cache import TokenCache
from facility.broker.errors import BrokerError
from facility.broker.people import People
from facility.broker.revocation import Revocation
from facility.broker.sessions import Sessions
from facility.broker.store import Kind, Store, StoreError
from facility.broker.vos import VirtualOrganizations

log = logging.getLogger(__name__)
PARALLEL = 16  # people at the same time
PAUSE = 2.0  # seconds before what could not be done is tried again


class Departures:
    """Ends what people leave behind. `tell` wakes the agents of a hub user."""

    def __init__(
        self,
        vos: VirtualOrganizations,
        people: People,
        sessions: Sessions,
        store: Store,
        cache: TokenCache,
        revocation: Revocation,
        tell: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._vos, self._people, self._sessions, self._store = vos, people, sessions, store
        self._cache, self._revocation, self._tell, self._sleep = cache, revocation, tell, sleep
        self._tasks: set[asyncio.Task[None]] = set()
        self._few = asyncio.Semaphore(PARALLEL)

    def gone(self, user: str) -> None:
        """A person's object has gone."""
        try:
            vo = names.split_hub_user(user)[0]
        except names.BadNameError:
            return
        self._cache.drop(vo, user)
        self._begin(self._end(user))

    def listed(self, people: Collection[str]) -> None:
        """All VOs and `people` are known: who went while no broker was there is noticed now."""
        if not self._store.follows_people:
            self._begin(self._sweep(frozenset(people)))

    async def stop(self) -> None:
        """Ends what is under way; where the store does not follow people it goes on in the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end(self, user: str) -> None:
        """Until nothing is stored of the person, or there is one of that name again."""
        while True:
            try:
                return await self._erase(user)
            except (StoreError, BrokerError) as error:
                log.warning("session of %s, who has gone, is not removed yet: %s", user, error)
                await self._sleep(PAUSE)

    async def _erase(self, user: str) -> None:
        """Raises StoreError, BrokerError: something is left."""
        async with self._few:
            if await self._people.known(user):
                return
            try:
                record = await self._sessions.erase(user)
            finally:
                self._tell(user)
        if record is not None:
            await self._revocation.revoke(record, self._vos.find(record.vo))

    async def _sweep(self, people: frozenset[str]) -> None:
        """Looks for sessions of people who are none."""
        for vo in [name for name in self._vos.names() if not self._vos.going(name)]:
            for user in await self._owners(vo):
                if user not in people:
                    self.gone(user)

    async def _owners(self, vo: str) -> list[str]:
        while True:
            try:
                return [user async for user in self._store.owners(Kind.SESSION, vo)]
            except StoreError as error:
                log.warning("sessions of %s not known yet: %s", vo, error)
                await self._sleep(PAUSE)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
