"""Keeps a pod's token files good: asks early, goes on trying, and never leaves a dead token lying about."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from facility.agent import files
from facility.agent.state import Kept, Problem, document, restore
from facility.exchange import BrokerError, TokenSource, Wanted

_SOONEST = 5.0  # seconds between two successful askings for one token, however short its life
_LIST_EVERY = 60.0
_LONGEST_PAUSE = 30.0


def _spread() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing


class Keeper:
    """The files of one pod in `directory`; `round` does what is due."""

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

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The files in the order in which the broker names them, as they are now."""
        return tuple(self._kept.values())

    @property
    def problem(self) -> Problem | None:
        """Why the broker could not say which files are wanted, if it could not."""
        return self._list.problem

    def round(self) -> float:
        """Does all that is due and says in how many seconds something is due again. Raises OSError from the files."""
        if self._now() >= self._list.due:
            self._ask_what_is_wanted()
        for name, kept in list(self._kept.items()):
            if self._now() >= kept.due:
                self._kept[name] = kept = self._renew(kept)
            if 0 < kept.expires <= self._now():
                self._remove(name)
                self._kept[name] = replace(kept, expires=0.0)
        files.write_status(self._directory, document(self._now(), self._directory, self.kept, self.problem))
        return self._pause()

    def _pause(self) -> float:
        moments = [self._list.due]
        for kept in self.kept:
            moments += [kept.due, kept.expires] if kept.expires else [kept.due]
        return max(min(moments) - self._now(), 0.0)

    def _found(self) -> dict[str, tuple[Wanted, float]]:
        found = restore(files.read_status(self._directory))
        return {name: one for name, one in found.items() if (self._directory / name).exists()}

    def _ask_what_is_wanted(self) -> None:
        try:
            wanted = self._broker.wanted()
        except BrokerError as error:
            self._list = self._failed(self._list, error, "the list of files")
            return
        self._list = replace(self._list, due=self._now() + _LIST_EVERY * self._spread(), failures=0, problem=None)
        for name in self._kept.keys() - {one.name for one in wanted}:
            self._remove(name)
        before = self._kept
        self._kept = {one.name: self._as_wanted(before.get(one.name), one) for one in wanted}

    def _as_wanted(self, kept: Kept | None, wanted: Wanted) -> Kept:
        if kept is None:
            return Kept(wanted)
        return kept if kept.wanted == wanted else replace(kept, wanted=wanted, due=0.0)

    def _renew(self, kept: Kept) -> Kept:
        wanted = kept.wanted
        try:
            token = self._broker.token(wanted.audience, wanted.scope)
        except BrokerError as error:
            return self._failed(kept, error, wanted.name)
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

    def _remove(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)
        self._say(f"{name}: removed")
