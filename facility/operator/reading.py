"""Reads the queues of all access points, each by itself, so that a slow one holds up nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from facility.condor.jobs import OwnerJobs, QueueError
from facility.site import Site

_LOG = logging.getLogger(__name__)
_GOOD_FOR = 150.0  # seconds that an answer is used for while there is no newer one: well over _LONGEST
_PART = 10  # an access point answers at most this part of its time: one second in ten
_AT_ONCE = 64  # access points that are asked at a time
_LONGEST = 60.0  # seconds between two questions, however long an answer took


class Queue(Protocol):
    """What reads one access point's queue, blocking (`facility.condor.jobs.Queues`)."""

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        """All owners' jobs. Raises QueueError."""

    def close(self) -> None:
        """Stop reading."""


#: makes a reader for a VO, from the pool's key
QueueMaker = Callable[[str, bytes], Queue]


class Answer(NamedTuple):
    """What a queue said: when, and by whom."""

    moment: float
    jobs: tuple[OwnerJobs, ...]


class Reading:
    """The queues, by VO."""

    def __init__(self, site: Site, now: Callable[[], float], make: QueueMaker, period: float) -> None:
        """`make`: makes a reader; each VO has its own. `period`: seconds that a round waits for answers."""
        self._site, self._now, self._make, self._period = site, now, make, period
        #: of its own: whoever else needs a thread must not wait for access points that hang
        self._threads = ThreadPoolExecutor(_AT_ONCE, "queue")
        self._queues: dict[str, Queue] = {}
        self._asked: dict[str, tuple[float, asyncio.Task[tuple[OwnerJobs, ...] | QueueError]]] = {}
        self._again: dict[str, float] = {}
        self._answers: dict[str, Answer] = {}
        self._troubles: dict[str, str] = {}

    async def look(self, vos: Collection[str], key: Callable[[], Awaitable[bytes]]) -> dict[str, tuple[OwnerJobs, ...]]:
        """By VO, the last answers that are good still; one that is missing is not known. Raises what `key` raises."""
        self._forget(vos)
        for name in sorted(set(vos) - set(self._asked)):
            if self._now() >= self._again.get(name, float("-inf")):
                if name not in self._queues:
                    self._queues[name] = self._make(name, await key())
                self._asked[name] = self._now(), asyncio.create_task(self._ask(name))
        if self._asked:
            await asyncio.wait([task for _, task in self._asked.values()], timeout=self._period)
        for name in [name for name, (_, task) in self._asked.items() if task.done()]:
            self._note(name, *self._asked.pop(name))
        oldest = self._now() - _GOOD_FOR
        return {name: one.jobs for name, one in self._answers.items() if name in vos and one.moment >= oldest}

    def _forget(self, vos: Collection[str]) -> None:
        for name in set(self._queues) - set(vos) - set(self._asked):
            self._queues.pop(name).close()
        for kept in (self._answers, self._again):
            for name in set(kept) - set(vos):
                del kept[name]

    async def _ask(self, vo: str) -> tuple[OwnerJobs, ...] | QueueError:
        """The answer, or the error as one: nobody may come back for a task whose VO has gone."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._queues[vo].ask, self._site.schedd(vo))
        except QueueError as error:
            return error

    def _note(self, vo: str, begun: float, task: asyncio.Task[tuple[OwnerJobs, ...] | QueueError]) -> None:
        found, now = task.result(), self._now()
        self._again[vo] = now + min((_PART - 1) * (now - begun) - self._period, _LONGEST)
        if isinstance(found, QueueError):
            self._said(vo, str(found))
            self._queues.pop(vo).close()  # the next one begins anew, with the pool's key as it is then
            return
        self._said(vo, "")
        # an access point answers for its own people only
        self._answers[vo] = Answer(now, tuple(one for one in found if one.owner.partition("_")[0] == vo))

    def _said(self, about: str, trouble: str) -> None:
        """Into the log when it has changed, not every round."""
        if self._troubles.get(about, "") != trouble:
            _LOG.warning("%s: %s", about, trouble or "well again")
        self._troubles[about] = trouble
