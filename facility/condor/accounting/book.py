"""The ledger on the access point's volume, and the files a day that are written from it.

How far HTCondor's records were read is stored with the sums, in one step: whenever this is ended, every record is
counted once. A day's file is written when the day is over, and again when something of it has come to be known later.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from facility.condor import whole
from facility.condor.accounting import stored
from facility.condor.accounting.ledger import OPEN_DAYS, Counted, Ledger, day_of
from facility.condor.accounting.tail import Tail
from facility.condor.accounting.texts import daily, metrics, volume
from facility.condor.accounting.told import Told

_STATE = "state"
RUNS, JOBS = "runs", "jobs"
PACE = 60.0  # seconds between two times of storing: it takes the longer the more jobs there are


class Book:
    """What is accounted at one access point."""

    def __init__(
        self,
        vo: str,
        site: str,
        submit_host: str,
        history: Path,
        directory: Path,
        now: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        """history: where HTCondor writes; directory: where this does. Neither is touched before the first look."""
        self._vo, self._site, self._host, self._now, self._say = vo, site, submit_host, now, say
        self._history, self._directory = history, directory
        self.looked, self.well = 0.0, False
        self._opened, self._due = False, float("-inf")
        self._begin({}, ())

    def look(self) -> int:
        """Read what is new, and store what is known now and then; how many records there were. Raises OSError."""
        try:
            found = self._look()
        except Exception:
            self.well, self._opened = False, False  # what was read and not stored is read again
            raise
        self.looked, self.well = self._now(), True
        return found

    def metrics(self) -> str:
        """All sums, in Prometheus' text format."""
        return metrics(dict(self._ledger.totals), self.looked, self.well) + self._room()

    def days(self) -> list[str]:
        """The days that there are files of, the oldest first."""
        return sorted(path.stem for path in self._directory.glob("????-??-??.txt"))

    def day(self, day: str) -> str | None:
        """A day's file; None if there is none."""
        return (self._directory / f"{day}.txt").read_text() if day in self.days() else None

    def _look(self) -> int:
        """Jobs are read before runs, and counted after them: no run of theirs can be read later than they are."""
        if not self._opened:
            self._open()
        jobs = self._tails[JOBS].read()
        found = len(jobs)
        while runs := self._tails[RUNS].read():
            self._count(runs)
            found += len(runs)
        self._count(jobs)
        self._ledger.close(self._now())
        self._keep(found > 0)
        return found

    def _count(self, records: Iterable[Told]) -> None:
        self._unwritten |= self._ledger.count(records, self._now())

    def _open(self) -> None:
        """Goes on where the last one has stored. Raises OSError."""
        self._begin({}, ())  # there is not memory for two
        try:
            with (self._directory / _STATE).open() as file:
                head, counted = stored.read(file)
            self._begin(head, counted.items())
        except FileNotFoundError:
            pass  # the first time
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            self._begin_anew(error)
        self._opened = True

    def _begin(self, head: dict[str, Any], counted: Iterable[tuple[str, Counted]]) -> None:
        marks = head.get("marks", {})
        self._ledger = Ledger(self._vo, head, counted)
        self._tails = {name: Tail(self._history / name, self._now, marks.get(name)) for name in (RUNS, JOBS)}
        self._unwritten, self._closed = set(head.get("unwritten", ())), set(head.get("closed", ()))
        self._changed = False

    def _begin_anew(self, error: Exception) -> None:
        """From what HTCondor still has, which is less: days that have a file keep it. Raises OSError."""
        aside = f"{_STATE}.broken-{self._now():.0f}"
        (self._directory / _STATE).rename(self._directory / aside)
        self._say(f"{_STATE} cannot be read and is put aside as {aside}; what there is is counted anew: {error!r}")
        oldest = day_of(self._now() - OPEN_DAYS * 86400)
        self._begin({"closed": [day for day in self.days() if day >= oldest]}, ())

    def _keep(self, changed: bool) -> None:
        """Stores, and writes the days that are over, where there is something new and it is time to."""
        self._changed |= changed
        over = {day for day in self._unwritten if day < day_of(self._now())}
        if self._now() < self._due or not (self._changed or over):
            return
        for day in sorted((over & self._ledger.days.keys()) - self._closed):
            text = daily(day, self._ledger.days[day], self._site, self._host)
            whole.write(self._directory / f"{day}.txt", [text])
        self._unwritten -= over
        self._store()
        self._changed, self._due = False, self._now() + PACE

    def _store(self) -> None:
        marks = {name: tail.marks() for name, tail in self._tails.items()}
        kept = {"unwritten": sorted(self._unwritten), "closed": sorted(self._closed)}
        head = {"marks": marks, **kept, **self._ledger.stored()}
        whole.write(self._directory / _STATE, stored.lines(json.dumps(head), self._ledger.counted()))

    def _room(self) -> str:
        try:
            disk = shutil.disk_usage(self._directory)
        except OSError:
            return ""
        return volume(disk.total, disk.free)
