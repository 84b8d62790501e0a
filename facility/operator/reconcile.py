"""The operator's work: a VO by itself, what the whole facility shares, and people's numbers, each when it is due."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from facility.operator.agenda import Agenda
from facility.operator.apply import Applier
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.dereference import Dereference
from facility.operator.discovery import Discovery
from facility.operator.events import Recorder
from facility.operator.hosts import Hosts
from facility.operator.lookout import Lookout
from facility.operator.metrics import Metrics
from facility.operator.mirrors import SITE, UIDS, Mirrors
from facility.operator.numbers import Numbers
from facility.operator.objects import Manifest
from facility.operator.one import VOs
from facility.operator.validate import ValidatedVO
from facility.operator.wake import Wake
from facility.operator.whole import Whole
from facility.site import Site

_LOG = logging.getLogger(__name__)
_LIMIT = 60  # seconds for one thing; every request in it has a shorter limit of its own
_WIDTH = 8  # things done at a time, and so requests at a time
_RATE = 20  # VOs that are looked at in a second after a start, of those that were served before
_RESYNC = 900  # seconds after which everything is looked at without a reason, spread: certificates come of age


@dataclass(frozen=True)
class World:
    """What the operator works with. public: the public certificate authorities, PEM; now: seconds since the epoch."""

    cluster: Cluster
    site: Site
    discovery: Discovery
    hosts: Hosts
    now: Callable[[], float]
    public: str
    instance: str = "operator"


class Reconciler:
    """Brings the cluster to what the objects say."""

    def __init__(self, world: World, metrics: Metrics | None = None) -> None:
        self._world, self._metrics = world, metrics or Metrics()
        cluster, site, now = world.cluster, world.site, world.now
        self.agenda = Agenda()
        self.mirrors = Mirrors(cluster, site, self.agenda.add, self._metrics.watch_broke)
        self.issuers = Lookout(world.discovery.ask, world.discovery.life, self.agenda.add, now)
        self._hosts = Lookout(world.hosts.ask, world.hosts.life, self.agenda.add, now)
        applier = Applier(cluster, site, self.mirrors)
        self.recorder = Recorder(cluster, now, world.instance)
        self._wake = wake = Wake(cluster, now)
        self._whole = Whole(cluster, site, self.mirrors, applier, world.discovery, wake, now, world.public)
        sources = Dereference(self.mirrors, self.issuers, self._hosts)
        self._sources = sources
        self._vos = VOs(cluster, site, self.mirrors, sources, self._whole, applier, self.recorder, wake, now)
        self._numbers = Numbers(cluster, site, self.mirrors)

    @property
    def served(self) -> tuple[ValidatedVO, ...]:
        """The VOs that are in place, closed ones too."""
        return self._vos.served

    async def run(self) -> None:
        """For ever. What fails is told in the log, and tried again later."""
        await self._begin()
        async with asyncio.TaskGroup() as group:
            for part in (self.mirrors.run, self.issuers.run, self._hosts.run, self._wake.run, self._record, self._work):
                group.create_task(part())

    async def once(self) -> None:
        """Everything, once, in the order in which nothing waits. Raises ClusterError when the API server fails."""
        await self.mirrors.refresh()
        await self._numbers.give()
        for name in self.mirrors.remembered():
            self._sources.look_after(name)
        await asyncio.gather(self.issuers.once(), self._hosts.once())
        self._count_in()
        await self._whole.again()
        for name in sorted(self.mirrors.remembered()):
            await self._one(name)
        await self.recorder.flush()

    async def _begin(self) -> None:
        """Know everything before anything is done: an object that is not seen yet is not one that is gone."""
        while True:
            try:
                await self.mirrors.refresh()
                self._count_in()
                await self._whole.again()
                break
            except ClusterError as error:
                _LOG.warning("waiting for the API server and the CRDs: %s", error)
                await asyncio.sleep(2)
        everybody = self.mirrors.remembered()
        for name in (SITE, UIDS, *everybody):
            # whatever comes in meanwhile has its turn before those that most likely are as they should be
            spread = len(everybody) / _RATE if name in everybody and _settled(self.mirrors.vos.get(name)) else 0
            self.agenda.add(name, spread * random.random() or None)  # noqa: S311 - spread, not secrecy

    def _count_in(self) -> None:
        for name in self.mirrors.vos:
            self._vos.count_in(name)

    async def _work(self) -> None:
        room = asyncio.Semaphore(_WIDTH)
        async with asyncio.TaskGroup() as group:
            while True:
                await room.acquire()
                item = await self.agenda.take()
                group.create_task(self._turn(item)).add_done_callback(lambda _: room.release())

    async def _turn(self, item: str) -> None:
        begun = time.monotonic()
        again = await self._one(item)
        self._metrics.reconciled(item, again is not None, time.monotonic() - begun)
        if again is None:
            self.agenda.failed(item)
        else:
            self.agenda.done(item, again)

    async def _one(self, item: str) -> float | None:
        """Do it. Returns seconds after which to do it again, None when it failed."""
        try:
            async with asyncio.timeout(_LIMIT):
                return await self._do(item) or _RESYNC * random.uniform(0.7, 1)  # noqa: S311 - spread, not secrecy
        except (ClusterError, TimeoutError) as error:
            _LOG.warning("%s: tried again later: %s", item, str(error) or "it took too long")
        except Exception:  # a mistake that one VO brings to light must not end the others' service
            _LOG.exception("%s: tried again later", item)
        return None

    async def _do(self, item: str) -> float | None:
        if item == SITE:
            await self._whole.again()
        elif item == UIDS:
            return await self._numbers.give()
        else:
            return await self._vos.reconcile(item)
        return None

    async def _record(self) -> None:
        while True:
            await self.recorder.flush()
            await asyncio.sleep(1)


def _settled(vo: Manifest | None) -> bool:
    """Whether a VO was served just as it is."""
    status = (vo and vo.get("status")) or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    return ready and vo is not None and status.get("observedGeneration") == vo["metadata"].get("generation")
