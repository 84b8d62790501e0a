"""Keeps a pod's token files good: asks early, goes on trying, and never leaves a dead token lying about.

Between two rounds it listens: the broker answers the question what is wanted when that changes. A refusal (the VO is
closed, the session has ended, the person is in none of its groups) takes the files away at once; a broker that is away
takes nothing.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from facility.agent import files
from facility.agent.state import Kept, Problem, document, restore
from facility.exchange import FORFEIT, BrokerError, Listing, TokenSource, Wanted

_SOONEST = 5.0  # seconds between two successful askings for one token, however short its life
_LIST_EVERY = 60.0
_LONGEST_PAUSE = 30.0
_LISTEN = 50.0  # seconds for one listening, so that the list is asked for once in a minute all the same
_BREATH = 1.0  # seconds between two pieces of news, and the shortest listening that is worth it


def _spread() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing


class Keeper:
    """The files of one pod in `directory`; `round` does what is due, `listen` spends the time until the next."""

    def __init__(
        self,
        broker: TokenSource,
        directory: Path,
        now: Callable[[], float] = time.time,
        spread: Callable[[], float] = _spread,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._broker, self._directory, self._now, self._spread, self._say = broker, directory, now, spread, say
        self._list = Kept(Wanted("", ""))  # the list of files is asked for by the same rules as a file
        self._kept = {name: Kept(wanted, expires) for name, (wanted, expires) in self._found().items()}
        self._refusal: Problem | None = None
        self._seen = ""
        self._quiet = 0.0  # when listening begins again, seconds since the epoch

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The files in the order in which the broker names them, as they are now."""
        return tuple(self._kept.values())

    @property
    def problem(self) -> Problem | None:
        """Why the broker could not say which files are wanted, or refuses them all."""
        return self._list.problem or self._refusal

    def round(self) -> float:
        """Does all that is due and says in how many seconds something is due again. Raises OSError from the files."""
        if self._now() >= self._list.due:
            self._ask_what_is_wanted()
        for name, kept in list(self._kept.items()):
            if self._now() >= kept.due:
                self._kept[name] = kept = self._renew(kept)
            if 0 < kept.expires <= self._now():
                self._kept[name] = self._without(kept)
        files.write_status(self._directory, document(self._now(), self._directory, self.kept, self.problem))
        return self._pause()

    def listen(self, pause: float) -> float:
        """Listens for news for at most `pause` seconds; how many of them to sleep instead. Raises as `round`."""
        quiet = self._quiet - self._now()
        if self._list.problem or not self._seen or pause < _BREATH:
            return pause
        if quiet > 0:
            return min(quiet, pause)
        seen = self._seen
        self._ask_what_is_wanted(min(pause, _LISTEN))
        if self._seen != seen:
            self._quiet = max(self._quiet, self._now() + _BREATH)
        return 0.0

    def _pause(self) -> float:
        moments = [self._list.due]
        for kept in self.kept:
            moments += [kept.due, kept.expires] if kept.expires else [kept.due]
        return max(min(moments) - self._now(), 0.0)

    def _found(self) -> dict[str, tuple[Wanted, float]]:
        found = restore(files.read_status(self._directory))
        return {name: one for name, one in found.items() if (self._directory / name).exists()}

    def _ask_what_is_wanted(self, wait: float = 0.0) -> None:
        try:
            listing = self._broker.wanted(self._seen, wait)
        except BrokerError as error:
            self._list = self._failed(self._list, error, "the list of files")
            if error.code in FORFEIT and self._list.problem:
                self._give_up(self._list.problem)
        else:
            self._take(listing)

    def _take(self, listing: Listing) -> None:
        every = max(_LIST_EVERY * self._spread(), listing.again)
        self._list = replace(self._list, due=self._now() + every, failures=0, problem=None)
        self._seen, self._quiet = listing.state, self._now() + listing.again
        for name in self._kept.keys() - {one.name for one in listing.files}:
            self._remove(name)
        before = self._kept
        self._kept = {one.name: self._as_wanted(before.get(one.name), one) for one in listing.files}
        refusal, self._refusal = listing.refusal, None
        if refusal:
            self._give_up(Problem(refusal.code, refusal.description))

    def _give_up(self, refusal: Problem) -> None:
        """All files go, and none is asked for until the broker no longer refuses them."""
        self._refusal = refusal
        for name, kept in self._kept.items():
            if refusal != kept.problem:
                self._say(f"{name}: {refusal.error}: {refusal.description}")
            self._kept[name] = replace(self._without(kept), due=math.inf, problem=refusal)

    def _as_wanted(self, kept: Kept | None, wanted: Wanted) -> Kept:
        if kept is None:
            return Kept(wanted)
        if kept.wanted == wanted and kept.due < math.inf:
            return kept
        return replace(kept, wanted=wanted, due=0.0)

    def _renew(self, kept: Kept) -> Kept:
        wanted = kept.wanted
        try:
            token = self._broker.token(wanted.audience, wanted.scope)
        except BrokerError as error:
            failed = self._failed(kept, error, wanted.name)
            return self._without(failed) if error.code in FORFEIT else failed
        files.write_token(self._directory / wanted.name, token.value)
        if not kept.expires or kept.problem:
            self._say(f"{wanted.name}: good again" if kept.problem else f"{wanted.name}: good")
        half = (token.expires - self._now()) / 2 * self._spread()
        return Kept(wanted, token.expires, token.scope, self._now() + max(half, _SOONEST))

    def _failed(self, kept: Kept, error: BrokerError, what: str) -> Kept:
        problem = Problem(error.code, error.description)
        if problem != kept.problem:
            self._say(f"{what}: {error}")
        pause = min(max(2.0**kept.failures, error.retry_after), _LONGEST_PAUSE) * self._spread()
        # the exponent stops growing: a broker away for days must not overflow it
        return replace(kept, due=self._now() + pause, failures=min(kept.failures + 1, 5), problem=problem)

    def _without(self, kept: Kept) -> Kept:
        """The same without its file."""
        if kept.expires:
            self._remove(kept.wanted.name)
        return replace(kept, expires=0.0)

    def _remove(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)
        self._say(f"{name}: removed")
