"""Jobs that can have no token wait in the queue and say why; exactly those go on when there is one.

The monitor holds them as an administrator of the queue, under subcodes of its own (`hold_codes`): what people hold
themselves, or HTCondor for a reason of its own, is never touched. Running jobs are left alone as long as that can end
well: those of somebody who must sign in again until their token is about to expire, and then they are held instead of
failing; those that outlive their token in an outage for good, as they may not read just now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from facility.condor.hold_codes import NO_TOKEN, NONE_NOW, REQUEST, SIGN_IN_AGAIN
from facility.condor.jobs import OwnerJobs
from facility.condor.tools import run

#: seconds before its token's end at which a running job is held: longer than a round and the job's ending take
PARTING = 15.0
_AGAIN = 10.0  # seconds before another try where HTCondor refused
#: JobStatus: idle; running and suspended (6, whose results are on their way, needs no token any more)
_IDLE, _RUNNING = "JobStatus == 1", "JobStatus == 2 || JobStatus == 7"
_WITHOUT_TOKEN = f"JobStatus == 5 && HoldReasonCode == {NO_TOKEN}"
_OURS = (
    f"JobStatus == 5 && HoldReasonCode == {REQUEST} && "
    f"(HoldReasonSubCode == {SIGN_IN_AGAIN} || HoldReasonSubCode == {NONE_NOW})"
)


class Tokens(Protocol):
    """What is asked of the keeper of the tokens (facility.condor.keeper.Keeper)."""

    @property
    def signed_out(self) -> Mapping[str, str]:
        """Owners who must sign in again, and the sentence that tells them so."""

    def good_until(self, owner: str) -> float:
        """When the first of the tokens expires that an owner's jobs need; 0 while one is missing."""

    def first_end(self, owner: str) -> float:
        """When the first of the tokens expires that are there; 0 when there is none."""

    def withdraw(self, owner: str) -> None:
        """Take an owner's tokens away. Raises OSError."""


@dataclass(frozen=True)
class Act:
    """A command for HTCondor, and what is said when it is done."""

    command: Sequence[str]
    told: str


class Waiting:
    """Holds and lets go, whenever the queue is not as it should be."""

    def __init__(
        self, now: Callable[[], float], say: Callable[[str], None], run: Callable[[Sequence[str]], str] = run
    ) -> None:
        """`run`: of a command of HTCondor's, gives what went wrong."""
        self._now, self._say, self._run = now, say, run
        self._next = 0.0

    def look(self, jobs: Iterable[OwnerJobs], tokens: Tokens) -> None:
        """Bring the queue in line with who can have tokens. What fails is told, and tried again. Raises OSError."""
        if self._now() < self._next:
            return
        for one in jobs:
            if one.owner in tokens.signed_out and not one.running:
                tokens.withdraw(one.owner)
            for act in acts(one, tokens, self._now()):
                problem = self._run(act.command)
                self._say(problem or act.told)
                self._next = self._now() + _AGAIN if problem else self._next


def acts(one: OwnerJobs, tokens: Tokens, now: float) -> Iterator[Act]:
    """What is to be done with one owner's jobs."""
    end = tokens.first_end(one.owner)
    if why := tokens.signed_out.get(one.owner):
        if one.starting_over:  # HTCondor would try them again and again, and they would not say what they wait for
            yield Act(_release(one.owner, _WITHOUT_TOKEN), f"{one.owner}: jobs without a token are looked at again")
        ending = [_RUNNING] if one.running and end <= now + PARTING else []
        states = [*([_IDLE] if one.idle or one.starting_over else []), *ending]
        if states:
            yield Act(_hold(one.owner, states, why, SIGN_IN_AGAIN), f"{one.owner}: jobs wait for a sign-in")
    elif one.hindered and tokens.good_until(one.owner) > now:
        yield Act(_release(one.owner, _OURS), f"{one.owner}: there are tokens again, and jobs go on")
    elif one.running and one.idle and 0 < end <= now:
        why = "No new token is to be had at the moment."
        yield Act(_hold(one.owner, [_IDLE], why, NONE_NOW), f"{one.owner}: jobs wait for tokens")


def _hold(owner: str, states: Sequence[str], why: str, subcode: int) -> Sequence[str]:
    reason = f"{why} The job then goes on by itself." if subcode == SIGN_IN_AGAIN else f"{why} The job waits for one."
    where = _of(owner, " || ".join(states))
    return ("condor_hold", "-constraint", where, "-reason", reason, "-subcode", str(subcode))


def _release(owner: str, states: str) -> Sequence[str]:
    return ("condor_release", "-constraint", _of(owner, states))


def _of(owner: str, states: str) -> str:
    return f'Owner == "{owner}" && ({states})'
