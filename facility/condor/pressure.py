"""Keeps a job that takes memory or disk very fast from taking the whole pod with it.

HTCondor looks every few seconds what jobs use, and holds one that has more than it asked for. Within such seconds a
job can fill its pod, and then the kernel, or Kubernetes, ends every process in it: all the owner's jobs, and HTCondor,
which starts them again elsewhere, and again. So shortly before that all jobs of the pod are stopped (SIGSTOP), until
HTCondor has seen and ended the one; then the others go on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

#: seconds for which HTCondor has time to find out which job it is; then the largest one is ended without it, and held
#: by the access point, as SIGKILL has ended it (facility.condor.queue)
PATIENCE = 90.0
_MIB = 2**20

Kill = Callable[[int, int], None]


class Gauge(Protocol):
    """Something that may be about to be full (facility.condor.gauges)."""

    @property
    def name(self) -> str:
        """What it is."""

    def full(self) -> bool:
        """Whether it is about to be full. Raises OSError or ValueError."""

    def sizes(self) -> Mapping[int, int]:
        """Bytes that each account has of it."""


class Pressure:
    """Stops the processes of jobs when one of the gauges is about to be full, and lets them go on."""

    def __init__(
        self,
        processes: Iterable[tuple[int, int]],
        gauges: Sequence[Gauge],
        now: Callable[[], float],
        say: Callable[[str], None],
        kill: Kill = os.kill,
    ) -> None:
        """`processes`: id and account of each process of a job, anew at each iteration."""
        self._processes, self._gauges, self._now, self._say, self._kill = processes, gauges, now, say, kill
        self._stopped_since = 0.0

    @property
    def stopped(self) -> bool:
        """Whether jobs are stopped now."""
        return self._stopped_since > 0

    def look(self) -> None:
        """Stop jobs, or let them go on. Raises OSError or ValueError when a gauge cannot be read."""
        full = next((gauge for gauge in self._gauges if gauge.full()), None)
        if full:
            self._stop(full)
        elif self.stopped:
            self._stopped_since = 0.0
            self._signal(signal.SIGCONT)
            self._say("there is room again: jobs go on")

    def _stop(self, full: Gauge) -> None:
        """Every time anew, as there may be new processes."""
        if not self.stopped:
            self._stopped_since = self._now()
            self._say(
                f"{full.name} is about to be full: jobs are stopped until HTCondor has held the one that takes it"
            )
        self._signal(signal.SIGSTOP)
        if self._now() - self._stopped_since > PATIENCE:
            self._end_largest(full.sizes())

    def _end_largest(self, sizes: Mapping[int, int]) -> None:
        if sizes:
            largest = max(sizes, key=lambda uid: sizes[uid])
            self._say(f"HTCondor has held no job: the largest is ended, with {sizes[largest] // _MIB} MiB")
            self._signal(signal.SIGKILL, largest)
        self._stopped_since = self._now()

    def _signal(self, number: int, only: int | None = None) -> None:
        for pid, uid in self._processes:
            if only in (None, uid):
                with suppress(ProcessLookupError):
                    self._kill(pid, number)
