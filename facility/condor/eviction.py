"""Ends the running jobs of a closed VO: they go back into the queue, where the access point's policy holds them.

Deleting their execute pods alone would let them go on for as long as a pod may take to leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from facility.condor.jobs import OwnerJobs
from facility.condor.tools import run

#: JobStatus 2 is running
_COMMAND = ("condor_vacate_job", "-constraint", "JobStatus == 2")
PERIOD = 10.0  # seconds between two tries: a job may take as long to end


class Eviction:
    """Runs condor_vacate_job as long as jobs run, not more often than every PERIOD."""

    def __init__(
        self, now: Callable[[], float], say: Callable[[str], None], command: tuple[str, ...] = _COMMAND
    ) -> None:
        self._now, self._say, self._command = now, say, command
        self._next = 0.0

    def look(self, jobs: Iterable[OwnerJobs]) -> None:
        """End what runs. What fails is told, and tried again."""
        running = sum(one.running for one in jobs)
        if not running or self._now() < self._next:
            return
        self._next = self._now() + PERIOD
        problem = run(self._command)
        self._say(problem or f"{running} running jobs are told to end: the VO is closed")
