"""Tells HTCondor when a file that it has read has changed: it looks at none again by itself.

Runs beside the central manager as `python3 -m facility.condor.reconfigure`, and within the credential monitor beside
an access point.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from facility.condor import layout
from facility.condor.tools import run

_COMMAND = ("condor_reconfig",)
PERIOD = 2.0


class Reconfigure:
    """Runs condor_reconfig once for each change of the content of `files`."""

    def __init__(
        self, files: Iterable[Path], command: tuple[str, ...] = _COMMAND, say: Callable[[str], None] = print
    ) -> None:
        """Begins with one condor_reconfig: who knows what the daemons had read before this watch began."""
        self._files, self._command, self._say = tuple(files), command, say
        self._known = ""
        self.problem = ""

    def look(self) -> None:
        """Look at the files, and if they are others than before tell HTCondor; if that fails, again next time."""
        digest = self._digest()
        if digest == self._known:
            return
        before, self.problem = self.problem, run(self._command, "condor_reconfig")
        if not self.problem:
            self._known = digest
            self._say("HTCondor has been told to read its files again")
        elif self.problem != before:
            self._say(self.problem)

    def _digest(self) -> str:
        digest = sha256()
        for path in self._files:
            digest.update(path.read_bytes() if path.is_file() else b"")
            digest.update(b"\0")
        return digest.hexdigest()


def main() -> None:
    """Beside the central manager: for ever."""
    os.environ["CONDOR_CONFIG"] = str(layout.CONFIG)
    watch = Reconfigure((layout.CONFIG, layout.CONFIG.with_name("mapfile")), say=say)
    while True:
        watch.look()
        time.sleep(PERIOD)


def say(text: str) -> None:
    """A line into the container's log."""
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
