"""The shards of this replica: taken, held, given away, so that no two replicas ever use one refresh token.

Looked after in rounds: renew, see who else is there, take what should be this replica's and is nobody's, hand over what
should be another's. A shard is handed over once nobody uses a session of it any more and all is stored, straight to the
replica that gets it. Only who is given a shard, or takes it from nobody, writes the shard's Lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

from facility.broker.leases import Lease, Leases
from facility.broker.replicas import Replicas
from facility.broker.shards import SHARDS, MovedError, dealt, shard_of
from facility.kubernetes import ApiError

log = logging.getLogger(__name__)
LEAVING = 15.0  # seconds for handing all shards over when the process ends
BREATH = 0.2  # seconds between two rounds that somebody asks for


class Keeper(Protocol):
    """What is kept of a shard in memory."""

    def gained(self, shard: int) -> None:
        """The shard is this replica's from now on."""

    async def yielding(self, shard: int) -> None:
        """Nobody uses the shard any more: what is not stored yet is stored now, and all of it forgotten."""

    def lost(self, shard: int) -> None:
        """The shard is another's already: all of it is to be forgotten."""


class Nothing:
    """Keeps nothing."""

    def gained(self, shard: int) -> None:
        """Nothing to do."""

    async def yielding(self, shard: int) -> None:
        """Nothing to store."""

    def lost(self, shard: int) -> None:
        """Nothing to forget."""


class Holding:
    """Which shards this replica holds. `period`: seconds between two rounds; `keeper`: to be set before the first."""

    def __init__(
        self,
        leases: Leases,
        replicas: Replicas,
        period: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.keeper: Keeper = Nothing()
        self._leases, self._replicas = leases, replicas
        self._period, self._sleep = period, sleep
        self._held: set[int] = set()
        self._known: dict[int, Lease] = {}
        self._alive: Mapping[str, Lease] = {}
        self._leaving: dict[int, asyncio.Task[None]] = {}
        self._busy: Counter[int] = Counter()
        self._news = asyncio.Event()
        self._round = asyncio.Lock()
        self._seeing: asyncio.Task[None] | None = None
        self._ending = self._gone = False

    @property
    def shards(self) -> frozenset[int]:
        """The shards that are held and not being handed over."""
        return frozenset(self._held - self._leaving.keys())

    def held(self, owner: str) -> bool:
        """Whether requests about this owner are answered here."""
        shard = shard_of(owner)
        return shard in self._held and shard not in self._leaving

    def owns(self, owner: str) -> bool:
        """Whether what is stored of this owner is written here: until the shard has been handed over."""
        return shard_of(owner) in self._held

    def check(self, owner: str, least: float = 0.0) -> None:
        """Raises MovedError unless the owner's shard is held for more than `least` seconds."""
        if not self.held(owner) or self._replicas.left <= least:
            raise MovedError(f"the shard {shard_of(owner)} is not held here now")

    @contextmanager
    def using(self, owner: str) -> Iterator[None]:
        """Keeps the owner's shard from being handed over. Raises MovedError."""
        self.check(owner)
        shard = shard_of(owner)
        self._busy[shard] += 1
        try:
            yield
        finally:
            self._busy[shard] -= 1
            self._tell()

    def address(self, owner: str) -> str | None:
        """Where the replica that holds the owner's shard is reached; None: it is this one, or nobody knows."""
        lease = self._known.get(shard_of(owner))
        for pod in self._alive.values():
            if lease is not None and pod.holder == lease.holder != self._replicas.identity:
                return pod.address
        return None

    def is_peer(self, host: str) -> bool:
        """Whether another replica is there: it asks for many."""
        return any(pod.address.rpartition(":")[0].strip("[]") == host for pod in self._alive.values())

    async def settled(self, owner: str, seconds: float) -> None:
        """Returns once it is known who holds the owner's shard, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.held(owner) and not self.address(owner):
                    await self._news.wait()

    async def run(self) -> None:
        """Rounds until cancelled."""
        while True:
            try:
                await self.look()
            except ApiError as error:
                log.warning("leases: %s", error)
            await self._sleep(self._period)

    async def see(self) -> None:
        """A round at once, one for all who ask at the same time. Raises ApiError."""
        if self._seeing is None:
            self._seeing = asyncio.create_task(self._see())
            self._seeing.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._seeing)

    async def _see(self) -> None:
        try:
            await self.look()
            await self._sleep(BREATH)
        finally:
            self._seeing = None

    async def look(self) -> None:
        """One round. Raises ApiError: not all that was due is done."""
        async with self._round:
            if not self._gone and not await self._replicas.renew():
                self._lose()
            leases = await self._leases.all()
            self._replicas.look(leases)
            self._alive = self._replicas.alive()
            self._known = {lease.shard: lease for lease in leases if lease.shard is not None}
            if not self._gone:
                wanted = self._wanted()
                for shard in range(SHARDS):
                    await self._settle(shard, wanted.get(shard))
        self._tell()

    async def leave(self) -> None:
        """Hands everything over, in order, and ends as a replica; others are still seen. Never raises."""
        if self._ending:
            return
        self._ending = True
        try:
            async with asyncio.timeout(LEAVING):
                async with self._round:
                    await self._replicas.leaving()
                await self.look()
                while self._leaving:
                    await asyncio.gather(*self._leaving.values())
                async with self._round:
                    self._gone = True
                    await self._replicas.leave()
                await self._return()
        except (ApiError, TimeoutError) as error:
            log.warning("not all shards were handed over: %s", error or "no time left")

    async def _return(self) -> None:
        """Makes free what another replica, which ends in the same moment, has given to this one meanwhile.

        Whoever comes next would have to take this replica for gone first, and wait for that. Raises ApiError.
        """
        if any(lease.leaving for lease in self._alive.values() if lease.holder != self._replicas.identity):
            await self._sleep(BREATH)
        for lease in await self._leases.all():
            if lease.shard is not None and lease.holder == self._replicas.identity:
                await self._leases.void(lease)

    def _wanted(self) -> Mapping[int, str]:
        """The pod that should have each shard."""
        mine = self._replicas.identity.rpartition("_")[0]
        staying = (pod for pod, lease in self._alive.items() if not lease.leaving)
        return dealt(pod for pod in staying if not (self._ending and pod == mine))

    async def _settle(self, shard: int, wanted: str | None) -> None:
        """One step for one shard."""
        lease, me = self._known.get(shard), self._replicas.identity
        mine = wanted == me.rpartition("_")[0]
        if lease is not None and lease.holder == me:
            self._hold(shard) if mine else self._give(shard, wanted)
            return
        if shard in self._held:
            self._drop(shard)
        try:
            if mine and (lease is None or not lease.holder or await self._replicas.over(lease.holder)):
                self._known[shard] = await self._leases.take(shard, me, lease)
                self._hold(shard)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def _hold(self, shard: int) -> None:
        if shard not in self._held:
            self._held.add(shard)
            self.keeper.gained(shard)

    def _give(self, shard: int, wanted: str | None) -> None:
        self._hold(shard)
        if shard not in self._leaving:
            self._leaving[shard] = task = asyncio.create_task(self._hand_over(shard, wanted))
            task.add_done_callback(lambda _: self._leaving.pop(shard, None))

    async def _hand_over(self, shard: int, wanted: str | None) -> None:
        """Waits until the shard is idle, then gives it to the replica that should have it, or to nobody."""
        while self._busy[shard]:
            await self._news.wait()
        await self.keeper.yielding(shard)
        heir, lease = self._alive.get(wanted or ""), self._known[shard]
        try:
            given = await (self._leases.take(shard, heir.holder, lease) if heir else self._leases.void(lease))
        except ApiError as error:
            log.warning("shard %s stays here for now: %s", shard, error)
            return
        if shard in self._held:
            self._held.discard(shard)
            self._known[shard] = given

    def _lose(self) -> None:
        """This replica has another identity: what it held under the old one is not its own any more."""
        for shard in list(self._held):
            self._drop(shard)

    def _drop(self, shard: int) -> None:
        log.warning("shard %s is not this replica's any more", shard)
        self._held.discard(shard)
        self.keeper.lost(shard)

    def _tell(self) -> None:
        """Wakes all who wait for something here to change."""
        self._news.set()
        self._news = asyncio.Event()
