"""Holds the jobs of suspended people, running ones too, and lets exactly those go on when their owners may work again.

HTCondor's record of a person who is disabled refuses new jobs only: what they have in the queue would go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from facility.condor.hold_codes import REQUEST, SUSPENDED
from facility.condor.jobs import OwnerJobs
from facility.condor.tools import run

_AGAIN = 10.0  # seconds before another try where HTCondor refused
#: JobStatus: idle, running, suspended
_ACTIVE = "(JobStatus == 1 || JobStatus == 2 || JobStatus == 7)"
_OURS = f"JobStatus == 5 && HoldReasonCode == {REQUEST} && HoldReasonSubCode == {SUSPENDED}"


class Suspension:
    """Brings the queue in line with who is suspended, at each look."""

    def __init__(
        self, now: Callable[[], float], say: Callable[[str], None], act: Callable[[Sequence[str]], str] = run
    ) -> None:
        """`act`: runs a command of HTCondor's, gives what went wrong."""
        self._now, self._say, self._act = now, say, act
        self._next = 0.0

    def look(self, jobs: Iterable[OwnerJobs], suspended: Mapping[str, str]) -> None:
        """`suspended`: owners, and why. What fails is told, and tried again."""
        if self._now() < self._next:
            return
        for one in jobs:
            if one.owner in suspended and (one.idle or one.running):
                self._do(hold(one.owner, suspended[one.owner]), f"{one.owner}: jobs are held, the owner is suspended")
            elif one.owner not in suspended and one.suspended:
                self._do(release(one.owner), f"{one.owner}: jobs go on, the owner may work again")

    def _do(self, command: Sequence[str], told: str) -> None:
        problem = self._act(command)
        self._say(problem or told)
        if problem:
            self._next = self._now() + _AGAIN


def hold(owner: str, why: str) -> Sequence[str]:
    """The command that holds what an owner has running or waiting."""
    where = f'Owner == "{owner}" && {_ACTIVE}'
    return ("condor_hold", "-constraint", where, "-reason", sentence(why), "-subcode", str(SUSPENDED))


def release(owner: str) -> Sequence[str]:
    """The command that lets go what was held so."""
    return ("condor_release", "-constraint", f'Owner == "{owner}" && {_OURS}')


def sentence(why: str) -> str:
    """What a held job says."""
    return f"Your jobs are suspended: {why} They wait in the queue until the facility's administrators let them go on."
