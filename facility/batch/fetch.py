"""`facility batch fetch`: output of finished jobs comes back to where they were submitted from, with one call.

The access point keeps a finished job until its output has been fetched. `condor_transfer_data` fetches, too, but stops
at the first job that fails, knows nothing of those that are fetched already, and waits for nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facility.batch import words
from facility.batch.arriving import arriving, late
from facility.batch.queue import (
    COMPLETED,
    HELD,
    REMOVED,
    AwayError,
    BatchError,
    Job,
    JobId,
    Queue,
    any_of,
    listed,
    of,
)

_LOOK = 2.0  # seconds between two looks at the queue
_AT_ONCE = 200  # jobs fetched in one go: so many are fetched one by one when one of them fails


@dataclass
class Outcome:
    """fetched: jobs whose output is here. failed: why that of others is not. held: those that wait for somebody.

    left: those that have not ended. away: why the access point could not be asked at the last look, if it could not.
    """

    fetched: list[Job] = field(default_factory=list)
    failed: dict[JobId, str] = field(default_factory=dict)
    held: list[Job] = field(default_factory=list)
    left: list[Job] = field(default_factory=list)
    away: str = ""

    @property
    def well(self) -> bool:
        """Whether all that was meant is here."""
        return not (self.failed or self.held or self.left or self.away)


class Fetch:
    """Fetches from a queue what of `constraint` has finished, into `into` where that is not None."""

    def __init__(
        self,
        queue: Queue,
        constraint: str,
        say: Callable[[str], None],
        into: Path | None = None,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._queue, self._constraint, self._say, self._into = queue, constraint, say, into
        self._now, self._pause = now, pause
        self._done: set[JobId] = set()

    def run(self, wait: float = 0.0) -> Outcome:
        """What there is now, or all of it as it comes for at most `wait` seconds, whoever is away meanwhile."""
        outcome, end = Outcome(), self._now() + wait
        while True:
            going = self._look(outcome)
            now = self._now()
            stuck = [job for job in going if _stuck(job, now)]
            if now >= end or (not outcome.away and len(stuck) == len(going)):
                if wait:
                    outcome.held, outcome.left = stuck, [job for job in going if not _stuck(job, now)]
                return outcome
            self._pause(_LOOK)

    def _look(self, outcome: Outcome) -> list[Job]:
        """Takes what has finished. What has not; nothing where the access point is away, which is said."""
        try:
            jobs = self._queue.jobs(self._constraint)
            ready = [job for job in jobs if finished(job) and of(job) not in self._done]
            for begin in range(0, len(ready), _AT_ONCE):
                self._take(ready[begin : begin + _AT_ONCE], outcome)
        except AwayError as error:
            if not outcome.away:
                self._say(str(error))
            outcome.away = str(error)
            return []
        outcome.away = ""
        return [job for job in jobs if int(job["JobStatus"]) not in (COMPLETED, REMOVED)]

    def _take(self, ready: Sequence[Job], outcome: Outcome) -> None:
        """All at once, and job by job what is left where that fails: so one job keeps nobody from their output."""
        left = self._missing(ready)
        for job in ready:
            if of(job) not in left:
                self._done.add(of(job))
                outcome.fetched.append(job)
        for job in ready:
            if of(job) in left:
                self._one(job, outcome)

    def _missing(self, ready: Sequence[Job]) -> set[JobId]:
        """Fetches; whose output has not come. Raises AwayError."""
        constraint = any_of([of(job) for job in ready])
        try:
            self._get(constraint)
        except BatchError:
            return {of(job) for job in self._queue.jobs(constraint) if finished(job)}
        return set()

    def _one(self, job: Job, outcome: Outcome) -> None:
        try:
            self._get(of(job).constraint)
            outcome.fetched.append(job)
        except AwayError:
            raise
        except BatchError as error:
            outcome.failed[of(job)] = str(error)
        self._done.add(of(job))

    def _get(self, constraint: str) -> None:
        if self._into is not None:
            self._queue.move(constraint, self._into)
        self._queue.fetch(constraint)


def finished(job: Job) -> bool:
    """Whether a job's output waits to be fetched."""
    done = float(job.get("CompletionDate") or 0)
    return int(job["JobStatus"]) == COMPLETED and float(job.get("StageOutFinish") or 0) < max(done, 1)


def _stuck(job: Job, now: float) -> bool:
    """Whether a job waits for somebody to do something."""
    return int(job["JobStatus"]) == HELD and (late(job, now) or not arriving(job))


def lines(outcome: Outcome) -> Iterator[str]:
    """For people: what is here and where, and what is not."""
    places: dict[tuple[str, str], list[JobId]] = {}
    for job in outcome.fetched:
        places.setdefault((words.ending(job), words.place(job)), []).append(of(job))
    for (ending, place), ids in places.items():
        yield f"{listed(ids)} {ending}: output in {place}"
    yield from (f"{job}: {why}" for job, why in outcome.failed.items())
    if outcome.held:
        yield f"held: {listed(map(of, outcome.held))}; facility batch why tells the reason"
    if outcome.left:
        yield f"not finished yet: {listed(map(of, outcome.left))}"
    if not (outcome.fetched or not outcome.well):
        yield "no finished job has output that is not fetched yet"
