"""`python3 -I -m facility.condor.schedd`: what an access point's master starts as its schedd.

A shadow whose schedd was killed lives on. It finds out after up to two minutes, and then ends its job; until then it
and the shadow that the next schedd has started for the same job take the job's connection from each other. Killed
without a word, it does neither: the execute pod keeps the job for its lease, within which the next shadow finds it. So
before a schedd begins, no shadow is left of the one before.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SCHEDD = "/usr/sbin/condor_schedd"
_SHADOW = "condor_shadow"


def orphans(processes: Path = Path("/proc")) -> Iterator[int]:
    """Process ids of shadows: there is one schedd at an access point, so whoever asks before it is there sees its
    predecessor's only."""
    for folder in processes.iterdir():
        with suppress(OSError):  # it has ended meanwhile
            if folder.name.isdigit() and (folder / "comm").read_text().strip() == _SHADOW:
                yield int(folder.name)


def end_orphans() -> None:
    """End all shadows at once, so that none says goodbye to its job."""
    for pid in orphans():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """End what the schedd before has left, and become condor_schedd."""
    end_orphans()
    os.execv(_SCHEDD, ("condor_schedd", *sys.argv[1:]))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
