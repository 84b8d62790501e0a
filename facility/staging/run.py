"""Brings files: a few requests at a time, until nothing waits any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from facility.staging.cache import StagingError, TooManyError
from facility.staging.plan import File, Progress, Word, requests

#: files of one request, and requests at once: enough that the cache always has some to do, and few to lose
_PORTION, _AT_ONCE = 200, 2
_PATIENCE = 60  # questions in a row that the cache may leave without answer: it may be restarting


class Stager(Protocol):
    """What brings files (facility.staging.cache.Cache)."""

    def stage(self, files: Sequence[File]) -> str: ...
    def look(self, request: str) -> Mapping[str, Word] | None: ...
    def cancel(self, request: str) -> None: ...


def bring(
    cache: Stager, files: tuple[File, ...], tell: Callable[[Progress], None], pause: Callable[[], None]
) -> Progress:
    """Returns when each file is there or has failed; `pause` is between questions, `tell` hears what changed.

    A cache that was restarted has forgotten the requests: they are made anew, and what is there is not brought again.
    Whoever ends this (KeyboardInterrupt) ends the requests, too.

    Raises:
        StagingError: the cache refuses, or is away for too long.
    """
    course = _Course(cache, Progress(files), deque(requests(files, _PORTION)))
    try:
        while course.waiting or course.running:
            course.ask()
            pause()
            course.look()
            tell(course.progress)
    except BaseException:
        for request in course.running:
            with suppress(StagingError):
                cache.cancel(request)
        raise
    return course.progress


class _Course:
    def __init__(self, cache: Stager, progress: Progress, waiting: deque[tuple[File, ...]]) -> None:
        self._cache, self.progress, self.waiting = cache, progress, waiting
        self.running: dict[str, tuple[File, ...]] = {}
        self._silent = 0

    def ask(self) -> None:
        """As many requests as may run. Too many files of this person wait already: later."""
        with suppress(TooManyError):
            while self.waiting and len(self.running) < _AT_ONCE:
                request = self._cache.stage(self.waiting[0])
                self.running[request] = self.waiting.popleft()

    def look(self) -> None:
        """Hears of all that run."""
        for request in list(self.running):
            try:
                words = self._cache.look(request)
            except StagingError:
                self._silent += 1
                if self._silent > _PATIENCE:
                    raise
                continue
            self._silent = 0
            self._heard(request, words)

    def _heard(self, request: str, words: Mapping[str, Word] | None) -> None:
        if words is not None:
            self.progress.words.update(words)
            if all(word.state.over for word in words.values()):
                del self.running[request]
            return
        left = tuple(file for file in self.running.pop(request) if not self.progress.state(file).over)
        if left:
            self.waiting.appendleft(left)
