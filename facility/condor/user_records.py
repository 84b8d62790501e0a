"""Keeps HTCondor's own records of an access point's people as the facility wants them: ceilings and suspension.

A record is made by HTCondor at somebody's first submission, or here for somebody who may not submit at all. It is in
the queue's own log, so it survives whatever the queue survives; it is looked at again now and then all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from facility import names
from facility.condor.limits import Limits
from facility.condor.tools import ToolError, output, run

PERIOD = 20.0  # seconds between two looks at records while nothing has changed
#: `Enabled` is an integer there, where one is asked for by name (25.14)
_SHOW = ("condor_qusers", "-af", "User", "Enabled", "MaxJobsRunning", "DisableReason")
#: what a record says of somebody without a ceiling who had one
_MANY = 1_000_000
_AT_ONCE = 200  # changes in one look


@dataclass(frozen=True)
class Record:
    """One person's record. max_running: None where it says nothing."""

    owner: str
    enabled: bool
    max_running: int | None
    reason: str = ""


def parse(text: str) -> list[Record]:
    """Records from what `condor_qusers` prints; those that are not of people of this facility are left out."""
    return [record for line in text.splitlines() if (record := _record(line))]


def _record(line: str) -> Record | None:
    name, enabled, ceiling, reason = (*line.split(None, 3), "", "", "", "")[:4]
    owner, _, domain = name.partition("@")
    if domain != names.TRUST_DOMAIN:
        return None
    most = int(ceiling) if ceiling.lstrip("-").isdigit() else None
    return Record(owner, enabled.lower() not in ("0", "false"), most, "" if reason == "undefined" else reason.strip())


def changes(records: Iterable[Record], limits: Limits) -> Iterator[Sequence[str]]:
    """The commands that bring the records in line, none where they are."""
    known = {record.owner: record for record in records}
    for owner, why in sorted(limits.suspended.items()):
        record = known.get(owner)
        if record is None:
            yield ("condor_qusers", "-add", _name(owner))
        if record is None or record.enabled or record.reason != refusal(why):
            yield ("condor_qusers", "-disable", _name(owner), "-reason", refusal(why))
    for owner, record in sorted(known.items()):
        if not record.enabled and owner not in limits.suspended:
            yield ("condor_qusers", "-enable", _name(owner))
        wanted = limits.max_running or (_MANY if record.max_running is not None else None)
        if record.max_running != wanted:
            yield ("condor_qusers", "-user", _name(owner), "-edit", f"MaxJobsRunning={wanted}")


def refusal(why: str) -> str:
    """What somebody is told who is suspended and submits: with words before theirs, none of it is taken for an option
    of the command, or for the word by which HTCondor says that there is no reason."""
    return f"Your jobs are suspended: {why}".strip()


def _name(owner: str) -> str:
    return f"{owner}@{names.TRUST_DOMAIN}"


class Records:
    """Looks at the records when what is wanted has changed, and now and then."""

    def __init__(
        self,
        path: Path,
        now: Callable[[], float],
        say: Callable[[str], None],
        show: Callable[[], str] = lambda: output(_SHOW),
        act: Callable[[Sequence[str]], str] = run,
    ) -> None:
        """`path`: of `limits.json`. `show`: what condor_qusers prints (raises ToolError); `act`: what went wrong."""
        self._path, self._now, self._say, self._show, self._act = path, now, say, show, act
        self._next = float("-inf")
        self._problem = ""
        self._known: set[str] = set()
        #: as they were read last; None as long as they could not be read at all
        self.limits: Limits | None = None

    def look(self) -> None:
        """Bring the records in line where it is time to. What fails is told once, and tried again."""
        try:
            wanted = Limits.read(self._path)
        except (OSError, ValueError, TypeError) as error:
            self._trouble(f"{self._path.name} cannot be read: {error}")
            return
        if wanted == self.limits and self._now() < self._next:
            return
        self.limits = wanted
        self._bring(wanted, set())

    def meet(self, owners: Iterable[str]) -> None:
        """Look at once when one of these, who have jobs, is new: their record was made just now, without a ceiling."""
        new = set(owners) - self._known
        if new and self.limits and self.limits.max_running:
            self._bring(self.limits, new)

    def _bring(self, wanted: Limits, met: set[str]) -> None:
        self._next = self._now() + PERIOD
        try:
            records = parse(self._show())
        except ToolError as error:
            self._trouble(str(error))
            return
        self._known = {record.owner for record in records} | met
        self._trouble(self._carry_out(changes(records, wanted)))

    def _carry_out(self, due: Iterable[Sequence[str]]) -> str:
        """What went wrong first. One that fails keeps no other back, unless failing takes long: then all do."""
        begun, first = self._now(), ""
        for command in islice(due, _AT_ONCE):
            problem = self._act(command)
            first = first or problem
            if not problem:
                self._say(f"people's records: {' '.join(command[1:])}")
            elif self._now() - begun > PERIOD:
                break
        return first

    def _trouble(self, problem: str) -> None:
        if problem and problem != self._problem:
            self._say(problem)
        self._problem = problem
