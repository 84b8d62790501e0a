"""What becomes of a VO's people when it is suspended, opened again or removed.

A suspended VO keeps its sessions: nobody gets a token, and once it is open again all is as before. Of one that is being
removed every session ends: its refresh token is revoked at the issuer as far as that goes in time, and its Secret
deleted. The list of sessions in the store is what is left to do, so a new process goes on where the last one died, and
each replica ends those of its own shards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from facility import names
from facility.broker.people import CONDITION, People
from facility.broker.revocation import Revocation
from facility.broker.sessions import SIGN_IN_AGAIN, VO_CLOSED, Sessions
from facility.broker.shards import MovedError, Shards, shard_of
from facility.broker.store import Kind, Store, StoreError
from facility.broker.vos import VirtualOrganizations
from facility.kubernetes import Json
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)
PARALLEL = 16  # sessions ended, or read again, at the same time
PAUSE = 2.0  # seconds before what could not be done is tried again


class Closing:
    """Ends sessions of VOs that go, and tells people's objects.

    `revoking`: seconds that revoking may take for a VO; `complete`: whether all VOs and people are known.
    """

    def __init__(
        self,
        vos: VirtualOrganizations,
        people: People,
        sessions: Sessions,
        store: Store,
        shards: Shards,
        revocation: Revocation,
        revoking: float,
        complete: Callable[[], bool],
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._vos = vos
        self._people = people
        self._sessions = sessions
        self._store = store
        self._shards = shards
        self._revocation = revocation
        self._revoking = revoking
        self._complete = complete
        self._now = now
        self._sleep = sleep
        self._told: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(PARALLEL)

    def vo(self, name: str, vo: VirtualOrganization | None) -> None:
        """A VO has changed; `vo` is how it was known last, None when it never was."""
        for user in [user for user in self._told if user.startswith(f"{name}-")]:
            self._settle(user)
        if self._vos.going(name):
            self._begin(name, self._end_all(name, vo))

    def gained(self, shard: int) -> None:
        """A shard is this replica's from now on, and with it what is to be said of its people."""
        for user in [user for user in self._told if shard_of(user) == shard]:
            self._settle(user)

    def listed(self) -> None:
        """All VOs and people are known: what went while no broker was there is seen now."""
        for user in list(self._told):
            self._settle(user)
        for name in {user.partition("-")[0] for user in self._told}:
            if self._vos.find(name) is None:
                self._begin(name, self._end_all(name, None))

    def person(self, item: Json) -> None:
        """A person's object is new or has changed."""
        user = str(item["metadata"]["name"])
        conditions = (item.get("status") or {}).get("conditions") or []
        self._told[user] = next((str(one.get("reason")) for one in conditions if one.get("type") == CONDITION), "")
        self._settle(user)

    def gone(self, user: str) -> None:
        """A person's object has gone."""
        self._told.pop(user, None)

    async def stop(self) -> None:
        """Ends what is under way; it goes on in the next process."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _settle(self, user: str) -> None:
        """Has the person's object say VOClosed exactly while the VO is closed."""
        try:
            vo = names.split_hub_user(user)[0]
        except names.BadNameError:
            return
        if not self._shards.held(user):
            return
        told = self._told[user] == VO_CLOSED
        if self._vos.closed(vo) and not told and (self._complete() or self._vos.find(vo)):
            self._people.report(user, "dead", VO_CLOSED)
        elif told and not self._vos.closed(vo):
            self._begin(user, self._open(user))

    async def _open(self, user: str) -> None:
        """Says of a person of a VO that is open again what their session is."""
        while True:
            try:
                async with self._few:
                    session = await self._sessions.peek(user)
            except StoreError:
                await self._sleep(PAUSE)
                continue
            if not self._shards.held(user):
                return
            if not self._vos.closed(names.split_hub_user(user)[0]):
                self._people.report(user, *(session.state if session else ("dead", SIGN_IN_AGAIN)))
            return

    async def _end_all(self, name: str, vo: VirtualOrganization | None) -> None:
        """Ends all sessions of a VO; left off when the VO is there again."""
        until = self._now() + self._revoking
        while self._vos.going(name):
            try:
                users = [user async for user in self._store.owners(Kind.SESSION, name)]
            except StoreError as error:
                log.warning("sessions of %s not known: %s", name, error)
                await self._sleep(PAUSE)
                continue
            if not users:
                log.info("no session of %s is left", name)
                return
            if not all(await asyncio.gather(*(self._end(user, name, vo, until) for user in users))):
                await self._sleep(PAUSE)

    async def _end(self, user: str, name: str, vo: VirtualOrganization | None, until: float) -> bool:
        """Whether the user's session is no more, or may stay after all."""
        async with self._few:
            if not self._vos.going(name):
                return True
            if not self._shards.held(user):
                return False
            if self._now() < until:
                await self._revoke(user, vo)
            try:
                await self._sessions.erase(user)
            except StoreError as error:
                log.warning("session of %s not removed yet: %s", user, error)
                return False
            self._people.report(user, "dead", VO_CLOSED)
            return True

    async def _revoke(self, user: str, vo: VirtualOrganization | None) -> None:
        """Revokes what the session has, if it can be read: one that cannot is removed all the same."""
        with suppress(StoreError, MovedError):
            async with self._sessions.hold(user) as session:
                if session is not None:
                    await self._revocation.revoke(session.record, vo)

    def _begin(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Starts a piece of work unless it is under way."""
        if key in self._tasks:
            work.close()
            return
        self._tasks[key] = task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(key, None))
