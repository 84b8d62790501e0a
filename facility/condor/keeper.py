"""Which owners have a token file, and when each is renewed: the decisions of the credential monitor.

An owner has one exactly as long as a job of theirs runs or may start. A file is always good for longer than a job
needs to get the next one: the starter asks for it every SEC_CREDENTIAL_REFRESH seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from facility import names
from facility.condor.jobs import OwnerJobs
from facility.exchange import UNAVAILABLE, BrokerError, Token

#: seconds between two rounds
PERIOD = 2.0
_SOONEST = 5.0  # seconds between two askings for one owner, however short the tokens' life
_PAUSE = 10.0  # seconds before an owner is asked for again whom the broker refused


class Broker(Protocol):
    """What the monitor needs of a broker (facility.exchange.Broker)."""

    def token(self, audience: str, scope: str = "", subject: str = "") -> Token:
        """A token of the owner `subject`. Raises BrokerError."""


class Files(Protocol):
    """Where the tokens go (facility.condor.credentials.Credentials)."""

    def owners(self) -> tuple[str, ...]:
        """Owners who have something there."""

    def write(self, owner: str, token: str) -> None:
        """Put a token there. Raises OSError."""

    def remove(self, owner: str) -> None:
        """Take it away. Raises OSError."""


@dataclass(frozen=True)
class Held:
    """How it stands with one owner's file. Times are in seconds since the epoch; no token is in it."""

    expires: float = 0.0
    due: float = 0.0
    problem: str = ""


@dataclass
class Keeper:
    """Keeps the files of one VO. `refresh`: SEC_CREDENTIAL_REFRESH of the execute pods, in seconds."""

    vo: str
    audience: str
    refresh: float
    broker: Broker
    files: Files
    now: Callable[[], float]
    say: Callable[[str], None] = lambda text: None
    held: dict[str, Held] = field(default_factory=dict)

    def round(self, jobs: Iterable[OwnerJobs]) -> None:
        """Bring the files in line with the queue: take away, then renew what is due. Raises OSError from the files."""
        wanted = {one.owner for one in jobs if one.needs_token and self._is_mine(one.owner)}
        for owner in {*self.files.owners(), *self.held} - wanted:
            self._drop(owner)
        self.held |= {owner: Held() for owner in wanted - self.held.keys()}
        self.renew()

    def renew(self) -> None:
        """Renew what is due, for the owners of the last round: for when the queue cannot be read."""
        self._bury()
        for owner in sorted(self.held, key=lambda owner: self.held[owner].due):
            if self.now() < self.held[owner].due:
                return
            try:
                self._ask(owner)
            except BrokerError as error:
                self._failed(owner, error)
                if error.code == UNAVAILABLE and not error.retry_after:
                    return  # it is away for everybody: the others are asked for at the next round

    def _is_mine(self, owner: str) -> bool:
        try:
            return names.split_owner(owner)[0] == self.vo
        except names.BadNameError:
            return False

    def _drop(self, owner: str) -> None:
        self.held.pop(owner, None)
        if owner in self.files.owners():
            self.files.remove(owner)
            self.say(f"{owner}: no job needs a token any more")

    def _bury(self) -> None:
        """Take expired tokens away: a job then waits for its token instead of failing with a dead one."""
        for owner, held in self.held.items():
            if 0 < held.expires <= self.now():
                self.files.remove(owner)
                self.held[owner] = replace(held, expires=0.0)
                self.say(f"{owner}: the token has expired and is taken away")

    def _ask(self, owner: str) -> None:
        token = self.broker.token(self.audience, subject=owner)
        self.files.write(owner, token.value)
        life, needed = token.expires - self.now(), self.refresh + 2 * PERIOD
        problem = (
            "" if life > needed else f"tokens live shorter than the {needed:g} s that a running job may go without"
        )
        before = self.held[owner]
        if problem != before.problem or not before.expires:
            self.say(f"{owner}: {problem or f'token written, good for {life:.0f} s'}")
        # the broker renews at half of a life: asked three times in each, the file never sinks far below that half
        pause = max(min(life / 3, life - needed), _SOONEST)
        self.held[owner] = Held(token.expires, self.now() + pause, problem)

    def _failed(self, owner: str, error: BrokerError) -> None:
        held, problem = self.held[owner], str(error)
        if problem != held.problem:
            self.say(f"{owner}: {problem}")
        pause = error.retry_after or (_SOONEST if error.code == UNAVAILABLE else _PAUSE)
        self.held[owner] = replace(held, due=self.now() + pause, problem=problem)
