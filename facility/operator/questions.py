"""What the queues of all VOs say: each asked on its own, so that none waits for another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from facility.condor.jobs import OwnerJobs, QueueError


class Queue(Protocol):
    """What reads one access point's queue, blocking (`facility.operator.queues.Reader`)."""

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        """All owners' jobs. Raises QueueError."""

    def close(self) -> None:
        """Stop reading."""


#: makes a reader for a VO, from the pool's key
QueueMaker = Callable[[str, bytes], Queue]
Answer = tuple[OwnerJobs, ...] | QueueError


class Questions:
    """`key`: the pool's, as it is now; `schedd`: a VO's, by name; `said`: is told of each answer, "" for a good one."""

    def __init__(
        self,
        make: QueueMaker,
        key: Callable[[], Awaitable[bytes]],
        schedd: Callable[[str], str],
        said: Callable[[str, str], None],
    ) -> None:
        self._make, self._key, self._schedd, self._said = make, key, schedd, said
        self._queues: dict[str, Queue] = {}
        self._asked: dict[str, asyncio.Task[Answer]] = {}

    async def ask(self, vos: Collection[str], patience: float) -> list[OwnerJobs]:
        """What these VOs' queues have answered within `patience` seconds; a slow one answers another time.

        Raises what `key` raises.
        """
        for name in set(self._queues) - set(vos) - set(self._asked):
            self._queues.pop(name).close()
        for name in set(vos) - set(self._asked):
            if name not in self._queues:
                self._queues[name] = self._make(name, await self._key())
            self._asked[name] = asyncio.create_task(_ask(self._queues[name], self._schedd(name)))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=patience)
        done = [name for name, task in self._asked.items() if task.done()]
        return [jobs for name in done for jobs in self._answer(name, self._asked.pop(name).result())]

    def _answer(self, vo: str, found: Answer) -> list[OwnerJobs]:
        """An access point answers for its own people only."""
        if isinstance(found, QueueError):
            self._said(vo, str(found))
            self._queues.pop(vo).close()  # the next one begins anew, with the pool's key as it is then
            return []
        self._said(vo, "")
        return [jobs for jobs in found if jobs.owner.partition("_")[0] == vo]


async def _ask(queue: Queue, schedd: str) -> Answer:
    """The answer, or the error as one: nobody may come back for a task whose VO has gone."""
    try:
        return await asyncio.to_thread(queue.ask, schedd)
    except QueueError as error:
        return error
