"""Which tokens an access point's jobs needed last: names on its volume, so that who begins anew has them at once.

Tokens are in memory and go with the pod; the queue, which says who needs one, can be read when the schedd is there.
But a schedd finds its running jobs within a second, and HTCondor gives up the run of a job that asks for its token and
gets none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from facility.condor import whole
from facility.condor.credentials import File


class Remembered:
    """A list of owners and services in a file; it never holds a token."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._kept: frozenset[File] | None = None
        self._problem = ""

    def files(self) -> frozenset[File]:
        """What was kept last; nothing, and it is said why, when that cannot be read."""
        try:
            return frozenset(File(str(owner), str(service)) for owner, service in json.loads(self._path.read_text()))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError) as error:
            self._say(f"{self._path.name} cannot be read: {error}")
            return frozenset()

    def keep(self, files: Iterable[File]) -> None:
        """In one step, if they are others than before. A volume that takes no more is said once, and tried again."""
        wanted = frozenset(files)
        if wanted != self._kept:
            self._trouble(self._write(wanted))

    def _write(self, wanted: frozenset[File]) -> str:
        """What went wrong, if something did."""
        try:
            whole.write(self._path, [json.dumps(sorted(wanted)), "\n"])
        except OSError as error:
            return f"{self._path.name} cannot be written: {error}"
        self._kept = wanted
        return ""

    def _trouble(self, problem: str) -> None:
        if problem and problem != self._problem:
            self._say(problem)
        self._problem = problem
