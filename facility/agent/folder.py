"""The directory of a pod's token files, made each time to be what it should be, whatever became of it meanwhile.

A full or read-only file system, a directory that is gone, a file that somebody removed or changed: none of it ends the
agent. What could not be done is told, and tried again at the next round.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.agent import files
from facility.agent.state import Problem
from facility.exchange import Token

#: code of a problem that is this pod's own: its file system takes nothing
CANNOT_WRITE = "cannot_write"


@dataclass(frozen=True)
class Outcome:
    """Names of files that were written, of those that were removed, and why others are not what they should be."""

    written: frozenset[str]
    removed: frozenset[str]
    problems: Mapping[str, Problem]


class Folder:
    """Token files in `path`. `found`: those that an earlier agent has left there."""

    def __init__(self, path: Path, found: Mapping[str, Token]) -> None:
        self.path = path
        #: what is in each file by our doing, and the file's stamp after that
        self._held = {name: (token, self._stamp(name)) for name, token in found.items()}
        self._problems: dict[str, Problem] = {}
        with suppress(OSError):  # of an agent that was ended while it wrote: nobody else writes here
            for rest in list(path.glob(".*.new")):
                rest.unlink(missing_ok=True)

    def settle(self, wanted: Mapping[str, Token], now: float) -> Outcome:
        """Writes what is not in its file as it should be, and removes files of ours that nobody wants or that are over.

        `now` is by the clock of the tokens' ends.
        """
        self._problems = {}
        removed = self._removed(name for name in self._held if name not in wanted)
        written = {name for name, token in wanted.items() if self._lacks(name, token) and self._put(name, token)}
        removed |= self._removed(name for name, (token, _) in self._held.items() if token.expires <= now)
        return Outcome(frozenset(written), frozenset(removed), self._problems)

    def write_status(self, status: dict[str, Any]) -> Problem | None:
        """`status.json`; the problem when that could not be done."""
        self._problems = {}
        self._done(files.STATUS, lambda name: files.write_status(self.path, status))
        return self._problems.get(files.STATUS)

    def _lacks(self, name: str, token: Token) -> bool:
        held = self._held.get(name)
        return held is None or held[0].value != token.value or held[1] is None or held[1] != self._stamp(name)

    def _put(self, name: str, token: Token) -> bool:
        if not self._done(name, lambda one: files.write_token(self.path / one, token.value)):
            return False
        self._held[name] = token, self._stamp(name)
        return True

    def _removed(self, names: Iterable[str]) -> set[str]:
        return {name for name in list(names) if self._done(name, self._remove)}

    def _remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        del self._held[name]

    def _done(self, name: str, work: Callable[[str], None]) -> bool:
        """Whether it could be done; a directory that is gone is made anew."""
        try:
            try:
                work(name)
            except FileNotFoundError:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                work(name)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            self._problems[name] = Problem(CANNOT_WRITE, f"{self.path / name} cannot be written: {reason}")
            return False
        return True

    def _stamp(self, name: str) -> tuple[int, int] | None:
        """Which file it is and when anything of it was changed last; None without one."""
        try:
            found = (self.path / name).lstat()
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns
