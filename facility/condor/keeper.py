"""Which token files owners have, and when each is renewed: the decisions of the credential monitor.

An owner has one for each service that a job of theirs names, for as long as such a job runs or may start. A file is
always good for longer than a job needs to get the next one: the starter asks for it every SEC_CREDENTIAL_REFRESH
seconds. All of this can be read again from the queue and the files, so a monitor may end at any instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from facility import names
from facility.condor import pauses
from facility.condor.credentials import File
from facility.condor.jobs import OwnerJobs
from facility.exchange import SIGN_IN, UNAVAILABLE, BrokerError, Token

#: seconds between two rounds
PERIOD = 2.0
#: seconds for which files stay that no job needs any more: many people send one job after the other
LINGER = 60.0
_AT_ONCE = 8  # files that are asked for at a time
_BUDGET = 20.0  # seconds for which one round asks, so that a slow broker does not hide what happens in the queue


class Broker(Protocol):
    """What the monitor needs of a broker (facility.exchange.Broker)."""

    def token(self, audience: str, scope: str = "", subject: str = "", min_valid: int = 0) -> Token:
        """A token of the owner `subject`, good for `min_valid` seconds at least. Raises BrokerError."""


class Files(Protocol):
    """Where the tokens go (facility.condor.credentials.Credentials)."""

    def found(self) -> dict[File, float]:
        """What is there, and until when it is good. Raises OSError."""

    def write(self, file: File, token: str, expires: float) -> None:
        """Put a token there. Raises OSError."""

    def remove(self, file: File) -> None:
        """Take it away. Raises OSError."""


@dataclass(frozen=True)
class Held:
    """How it stands with one file. Times are in seconds since the epoch; no token is in it.

    seen: when a job last needed it. failures: askings in vain since the last token.
    """

    seen: float
    expires: float = 0.0
    due: float = 0.0
    failures: int = 0
    problem: str = ""


@dataclass
class Keeper:
    """Keeps the files of one VO.

    services: the audience of each service that jobs may name. refresh: SEC_CREDENTIAL_REFRESH of the execute pods, in
    seconds. signed_out: owners who must sign in again, with the broker's sentence. wanted, running: the files that jobs
    need, and the owners of running ones, as the last round has found them.
    """

    vo: str
    services: Mapping[str, str]
    refresh: float
    broker: Broker
    files: Files
    now: Callable[[], float]
    say: Callable[[str], None] = lambda text: None
    held: dict[File, Held] = field(default_factory=dict)
    signed_out: dict[str, str] = field(default_factory=dict)
    wanted: frozenset[File] = frozenset()
    running: frozenset[str] = frozenset()

    @property
    def needed(self) -> float:
        """Seconds for which every file is good at any time, so that no job sees a token expire."""
        return self.refresh + PERIOD

    def round(self, jobs: Iterable[OwnerJobs]) -> None:
        """Bring the files in line with the queue: take away, then renew what is due. Raises OSError from the files."""
        now, found, mine = self.now(), self.files.found(), [one for one in jobs if self._is_mine(one)]
        self.wanted = frozenset(File(one.owner, name) for one in mine for name in one.services)
        self.running = frozenset(one.owner for one in mine if one.running)
        self.held |= {file: Held(now, found[file]) for file in found.keys() - self.held.keys()}
        self.held |= {file: replace(self.held.get(file, Held(now)), seen=now) for file in self.wanted}
        self._drop([file for file, held in self.held.items() if held.seen + LINGER <= now])
        owners = {file.owner for file in self.wanted}
        self.signed_out = {owner: why for owner, why in self.signed_out.items() if owner in owners}
        self.renew()

    def remember(self, files: Iterable[File]) -> None:
        """What jobs needed when the last monitor ended: until the queue can be read, that is what they need."""
        now, found = self.now(), self.files.found()
        self.wanted = frozenset(files)
        self.running = frozenset(file.owner for file in self.wanted)
        self.held |= {file: Held(now, found.get(file, 0.0)) for file in self.wanted}

    def renew(self) -> None:
        """Renew what is due, for the jobs of the last round: for when the queue cannot be read."""
        self._bury()
        begun, waiting = self.now(), sorted(self.wanted, key=lambda file: self.held[file].due)
        portion = 1  # one goes ahead: a broker that is away is away for everybody
        while waiting and self.now() - begun <= _BUDGET:
            files = [file for file in waiting[:portion] if self.now() >= self.held[file].due]
            if not files or not self._ask(files):
                return  # the others are asked for at the next round
            waiting, portion = waiting[portion:], _AT_ONCE

    def clear(self) -> None:
        """Take all files away: nobody is to have one."""
        for file in {*self.files.found(), *self.held}:
            self.files.remove(file)
        self.held.clear()
        self.signed_out.clear()
        self.wanted = frozenset()

    def withdraw(self, owner: str) -> None:
        """Take an owner's files away, so that no job of theirs starts. Raises OSError."""
        self._remove([file for file in self.wanted if file.owner == owner])

    def good_until(self, owner: str) -> float:
        """When the first of the tokens expires that an owner's jobs need; 0 while one is missing."""
        return min(self._ends(owner), default=0.0)

    def first_end(self, owner: str) -> float:
        """When the first of the tokens expires that are there; 0 when there is none."""
        return min((expires for expires in self._ends(owner) if expires), default=0.0)

    def _ends(self, owner: str) -> list[float]:
        return [self.held[file].expires for file in self.wanted if file.owner == owner]

    def _is_mine(self, one: OwnerJobs) -> bool:
        try:
            return one.needs_token and names.split_owner(one.owner)[0] == self.vo
        except names.BadNameError:
            return False

    def _drop(self, files: Iterable[File]) -> None:
        for file in files:
            self.files.remove(file)
            if self.held.pop(file).expires:
                self.say(f"{file.owner}: no job needs a token for {file.service} any more")

    def _remove(self, files: Iterable[File]) -> None:
        for file in files:
            if self.held[file].expires:
                self.files.remove(file)
                self.held[file] = replace(self.held[file], expires=0.0)

    def _bury(self) -> None:
        """Take expired tokens away: a job then waits for its token instead of failing with a dead one.

        Not from owners of running jobs: HTCondor ends a job whose file is gone when it looks for a new token.
        """
        old = [file for file, held in self.held.items() if 0 < held.expires <= self.now()]
        expired = [file for file in old if file.owner not in self.running or file not in self.wanted]
        self._remove(expired)
        for file in expired:
            self.say(f"{file.owner}: the token for {file.service} has expired and is taken away")

    def _ask(self, files: list[File]) -> bool:
        """For all of them at once: an answer is mostly waiting. Whether there is a broker."""
        wanted = pauses.min_valid(self.needed)
        if len(files) == 1:
            answers = [self._answer(files[0], wanted)]
        else:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                answers = list(pool.map(lambda file: self._answer(file, wanted), files))
        there = True
        for file, answer in zip(files, answers, strict=True):
            if isinstance(answer, BrokerError):
                self._failed(file, answer)
                there = there and (answer.code != UNAVAILABLE or bool(answer.retry_after))
            else:
                self._take(file, *answer, wanted)
        return there

    def _answer(self, file: File, wanted: int) -> tuple[Token, str] | BrokerError:
        try:
            return self._token(file, wanted)
        except BrokerError as error:
            return error

    def _take(self, file: File, token: Token, problem: str, wanted: int) -> None:
        self.files.write(file, token.value, token.expires)
        before, left = self.held[file], token.expires - self.now()
        if left <= self.needed and not problem:
            problem = (
                f"the token is good for {left:.0f} s only, and a job may go without a new one for {self.needed:g} s"
            )
        if problem != before.problem or not before.expires:
            told = f"{file.owner}: token for {file.service} written, good for {left:.0f} s"
            self.say(f"{told}; {problem}" if problem else told)
        self.held[file] = Held(before.seen, token.expires, self.now() + pauses.after_token(left, wanted), 0, problem)
        if self.signed_out.pop(file.owner, None):
            self._at_once(file.owner)

    def _token(self, file: File, wanted: int) -> tuple[Token, str]:
        """A token, and what is wrong with it: one that cannot be good for long enough is better than none."""
        audience = self.services.get(file.service)
        if audience is None:
            raise BrokerError("invalid_target", f"{self.vo} has no service {file.service} for jobs any more")
        try:
            return self.broker.token(audience, subject=file.owner, min_valid=wanted), ""
        except BrokerError as error:
            if error.code != "invalid_request":
                raise
            short = f"tokens of {self.vo} live too short: a job's should be good for {wanted} s at any time ({error})"
            return self.broker.token(audience, subject=file.owner), short

    def _failed(self, file: File, error: BrokerError) -> None:
        held, now, problem = self.held[file], self.now(), str(error)
        if problem != held.problem:
            self.say(f"{file.owner}: {file.service}: {problem}")
        if error.code == SIGN_IN:
            self.signed_out[file.owner] = error.description
            self._postpone(file.owner, now + pauses.signed_out(len(self.signed_out)), problem)
            return
        pause = pauses.after_failure(held.failures, held.expires - now, error.retry_after)
        self.held[file] = replace(held, due=now + pause, failures=held.failures + 1, problem=problem)

    def _postpone(self, owner: str, due: float, problem: str) -> None:
        """The owner's session is one: what is said of it holds for all of their files."""
        for file in self.wanted:
            if file.owner == owner:
                self.held[file] = replace(self.held[file], due=due, problem=problem)

    def _at_once(self, owner: str) -> None:
        for file in self.wanted:
            if file.owner == owner and not self.held[file].expires:
                self.held[file] = replace(self.held[file], due=0.0)
