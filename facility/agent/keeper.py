"""Keeps a pod's token files good: asks early, goes on trying, and never leaves a dead token lying about.

Between two rounds it listens: the broker answers the question what is wanted when that changes. A refusal (the VO is
closed, the session has ended, the person is in none of its groups) takes the files away at once; a broker that is away
takes nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from facility.agent import files, renewal
from facility.agent.clock import steady
from facility.agent.folder import Folder
from facility.agent.state import Kept, Moment, Problem, document, restore
from facility.codes import FORFEIT
from facility.exchange import BrokerError, Listing, Token, TokenSource, Wanted

_LIST_EVERY = 60.0
_LISTEN = 50.0  # seconds for one listening, so that the list is asked for once in a minute all the same
_BREATH = 1.0  # seconds between two pieces of news, and the shortest listening that is worth it
_AFTER_TROUBLE = 5.0  # seconds until what could not be written is tried again


class Keeper:
    """The files of one pod in `directory`; `round` does what is due, `listen` spends the time until the next.

    `now` is the clock that nobody sets, by which tokens are judged; `wall` the time of day, which is only told.
    """

    def __init__(
        self,
        broker: TokenSource,
        directory: Path,
        now: Callable[[], float] = steady,
        spread: renewal.Spread = renewal.spread,
        say: Callable[[str], None] = lambda text: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._broker, self._now, self._spread, self._say, self._wall = broker, now, spread, say, wall
        self._list = Kept(Wanted("", ""))  # the list of files is asked for by the same rules as a file
        self._kept = _found(directory, Moment(now(), wall()))
        self._folder = Folder(directory, {name: one.token for name, one in self._kept.items() if one.token})
        self._refusal: Problem | None = None
        self._unwritten: Problem | None = None
        self._seen = ""
        self._quiet = 0.0  # when listening begins again

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The files in the order in which the broker names them, as they are now."""
        return tuple(self._kept.values())

    @property
    def problem(self) -> Problem | None:
        """Why the broker could not say which files are wanted, or refuses them all."""
        return self._list.problem or self._refusal

    def document(self) -> dict[str, Any]:
        """What `status.json` should say now, whether or not it can be written."""
        at = Moment(self._now(), self._wall())
        return document(at, self._folder.path, self.kept, self.problem, self._broker.ahead)

    def round(self) -> float:
        """Does all that is due and says in how many seconds something is due again."""
        if self._now() >= self._list.due:
            self._ask_what_is_wanted()
        for name, kept in list(self._kept.items()):
            if self._now() >= kept.due:
                self._kept[name] = kept = self._renew(kept)
            if kept.token and kept.expires <= self._now():
                self._kept[name] = replace(kept, token=None)
        self._settle()
        return self._pause()

    def listen(self, pause: float) -> float:
        """Listens for news for at most `pause` seconds; how many of them to sleep instead."""
        quiet = self._quiet - self._now()
        if self._list.problem or not self._seen or pause < _BREATH:
            return pause
        if quiet > 0:
            return min(quiet, pause)
        seen = self._seen
        self._ask_what_is_wanted(min(pause, _LISTEN))
        if self._seen != seen:
            self._quiet = max(self._quiet, self._now() + _BREATH)
            self._settle()
        return 0.0

    def _pause(self) -> float:
        moments = [self._list.due]
        for kept in self.kept:
            moments += [kept.due, kept.expires] if kept.token else [kept.due]
        if self._unwritten or any(kept.unwritten for kept in self.kept):
            moments.append(self._now() + _AFTER_TROUBLE)
        return max(min(moments) - self._now(), 0.0)

    def _settle(self) -> None:
        """Makes the directory what it should be, and tells how things are."""
        tokens = {name: kept.token for name, kept in self._kept.items() if kept.token}
        outcome = self._folder.settle(tokens, self._now())
        for name in sorted(outcome.removed):
            self._say(f"{name}: removed")
        for name, kept in self._kept.items():
            self._tell(kept.unwritten, outcome.problems.get(name), f"{name}: written again")
            self._kept[name] = replace(kept, unwritten=outcome.problems.get(name))
        unwritten = self._folder.write_status(self.document())
        self._tell(self._unwritten, unwritten, f"{files.STATUS}: written again")
        self._unwritten = unwritten

    def _tell(self, before: Problem | None, after: Problem | None, well: str) -> None:
        if after and after != before:
            self._say(f"{after.error}: {after.description}")
        elif before and not after:
            self._say(well)

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
        before = self._kept
        self._kept = {one.name: _as_wanted(before.get(one.name), one) for one in listing.files}
        refusal, self._refusal = listing.refusal, None
        if refusal:
            self._give_up(Problem(refusal.code, refusal.description))

    def _give_up(self, refusal: Problem) -> None:
        """All files go, and none is asked for until the broker no longer refuses them."""
        self._refusal = refusal
        for name, kept in self._kept.items():
            if refusal != kept.problem:
                self._say(f"{name}: {refusal.error}: {refusal.description}")
            self._kept[name] = replace(kept, token=None, due=math.inf, problem=refusal)

    def _renew(self, kept: Kept) -> Kept:
        try:
            token = renewal.ask(self._broker, kept, self._now())
        except BrokerError as error:
            failed = self._failed(kept, error, kept.wanted.name)
            return replace(failed, token=None) if error.code in FORFEIT else failed
        new = renewal.renewed(kept, token, self._now(), self._spread())
        if new.problem and new.problem != kept.problem:
            self._say(f"{kept.wanted.name}: {new.problem.error}: {new.problem.description}")
        if not new.problem and (kept.problem or not kept.token):
            self._say(f"{kept.wanted.name}: good again" if kept.problem else f"{kept.wanted.name}: good")
        return new

    def _failed(self, kept: Kept, error: BrokerError, what: str) -> Kept:
        new = renewal.failed(kept, error, self._now(), self._spread())
        if new.problem != kept.problem:
            self._say(f"{what}: {error}")
        return new


def _as_wanted(kept: Kept | None, wanted: Wanted) -> Kept:
    """Asked for at once when it is new, is wanted otherwise than before, or is no longer refused."""
    if kept is None:
        return Kept(wanted)
    if kept.wanted == wanted and kept.due < math.inf:
        return kept
    return replace(kept, wanted=wanted, life=0.0, due=0.0)


def _found(directory: Path, now: Moment) -> dict[str, Kept]:
    """The files of an earlier agent in this pod, as far as they can be read and their end is known."""
    found: dict[str, Kept] = {}
    for name, (wanted, seconds) in restore(files.read_status(directory), now).items():
        try:
            text = (directory / name).read_text()
        except (OSError, ValueError):
            continue
        found[name] = Kept(wanted, Token(text, now.steady + seconds))
    return found
