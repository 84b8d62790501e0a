"""Who has used how much, altogether and on which day: sums over HTCondor's records, each counted once.

A run is counted when it ends. When its job leaves the queue, perhaps days later, HTCondor says what all runs took
together: what no record of a run has told of it, as after a crash, is counted then, on the day on which the job ended.
So runs of a job are to be counted before it. What is remembered of jobs in between is small: there may be many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from facility import names
from facility.condor.accounting.told import Told

#: days for which a day may still change: longer than a job that has ended waits in the queue
OPEN_DAYS = 10
_FORGOTTEN = 90 * 86400.0  # seconds after its last run for which a job is waited for that never left the queue


@dataclass
class Usage:
    """Sums. wall, cpu: seconds; core: seconds times cores; memory: seconds times MiB; largest: MiB.

    first, last: when the first and the last run of them ended, in seconds since the epoch.
    """

    runs: int = 0
    completed: int = 0
    removed: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    core: float = 0.0
    memory: float = 0.0
    largest: int = 0
    first: float = 0.0
    last: float = 0.0

    def add(self, more: Usage) -> None:
        """Add up."""
        for one in ("runs", "completed", "removed", "wall", "cpu", "core", "memory"):
            setattr(self, one, getattr(self, one) + getattr(more, one))
        self.largest = max(self.largest, more.largest)
        self.first = min(filter(None, (self.first, more.first)), default=0.0)
        self.last = max(self.last, more.last)


@dataclass(frozen=True, order=True)
class Key:
    """Whose, with how many cores: what accounting tells apart."""

    owner: str
    cores: int


#: of the runs of a job that is in the queue: seconds of wall, of CPU, and when the last one ended
Counted = tuple[float, float, float]
_NOTHING: Counted = (0.0, 0.0, 0.0)


class Ledger:
    """The sums of one access point, whose people are of the VO `vo`."""

    def __init__(
        self, vo: str, stored: dict[str, Any] | None = None, counted: Iterable[tuple[str, Counted]] = ()
    ) -> None:
        """`stored`, `counted`: what an earlier one gave as `stored()` and `counted()`."""
        kept = stored or {}
        self._vo = vo
        self.totals = {owner: Usage(**sums) for owner, sums in kept.get("totals", {}).items()}
        self.days = {day: dict(map(_entry, entries)) for day, entries in kept.get("days", {}).items()}
        self._counted = dict(counted)

    def stored(self) -> dict[str, Any]:
        """The sums, for JSON."""
        days = {
            day: [[key.owner, key.cores, asdict(usage)] for key, usage in sorted(entries.items())]
            for day, entries in self.days.items()
        }
        return {"totals": _plain(self.totals), "days": days}

    def counted(self) -> Iterator[tuple[str, Counted]]:
        """What has been counted of jobs that have not left the queue."""
        return iter(self._counted.items())

    def count(self, records: Iterable[Told], now: float) -> set[str]:
        """Count records; the days that have changed. What ended too long ago counts for the oldest that still may."""
        oldest = now - (OPEN_DAYS - 1) * 86400
        mine = (record for record in records if self._is_mine(record.owner))
        return {self._one(record, day_of(min(max(record.ended, oldest), now))) for record in mine}

    def close(self, now: float) -> None:
        """Forget days that do not change any more, and jobs that nobody will hear of again."""
        oldest = day_of(now - OPEN_DAYS * 86400)
        self.days = {day: entries for day, entries in self.days.items() if day >= oldest}
        for job in [job for job, (_, _, last) in self._counted.items() if last + _FORGOTTEN <= now]:
            del self._counted[job]

    def _one(self, record: Told, day: str) -> str:
        usage = self._rest(record) if record.whole else _of(record, record.wall, record.cpu, runs=1)
        if not record.whole:
            wall, cpu, last = self._counted.get(record.job, _NOTHING)
            self._counted[record.job] = (wall + usage.wall, cpu + usage.cpu, max(last, record.ended))
        self.totals.setdefault(record.owner, Usage()).add(usage)
        self.days.setdefault(day, {}).setdefault(Key(record.owner, record.cores), Usage()).add(usage)
        return day

    def _rest(self, record: Told) -> Usage:
        wall, cpu, _ = self._counted.pop(record.job, _NOTHING)
        usage = _of(record, max(record.wall - wall, 0.0), max(record.cpu - cpu, 0.0), runs=0)
        usage.completed, usage.removed = int(record.completed), int(not record.completed)
        return usage

    def _is_mine(self, owner: str) -> bool:
        try:
            return names.split_owner(owner)[0] == self._vo
        except names.BadNameError:
            return False


def day_of(seconds: float) -> str:
    """The day in UTC, as 2026-01-31."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _of(record: Told, wall: float, cpu: float, runs: int) -> Usage:
    core, memory = wall * record.cores, wall * record.memory
    return Usage(runs, 0, 0, wall, cpu, core, memory, record.memory, record.ended, record.ended)


def _plain(usages: dict[str, Usage]) -> dict[str, dict[str, Any]]:
    names_ = [one.name for one in fields(Usage)]
    return {key: {name: getattr(usage, name) for name in names_} for key, usage in usages.items()}


def _entry(stored: list[Any]) -> tuple[Key, Usage]:
    owner, cores, sums = stored
    return Key(owner, cores), Usage(**sums)
