"""`python3 -I -m facility.condor.schedd`: what an access point's master starts as its schedd.

A shadow whose schedd was killed lives on. It finds out after up to two minutes, and then ends its job; until then it
and the shadow that the next schedd has started for the same job take the job's connection from each other. Killed
without a word, it does neither: the execute pod keeps the job for its lease, within which the next shadow finds it. So
before a schedd begins, no shadow is left of the one before.

Those next shadows hand jobs their tokens at once, and a job whose token is not there is held, which ends its run. In a
pod that is new there is none before the credential monitor has had its first round: so that comes first.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from facility.condor import layout

#: seconds; the monitor asks for all tokens in its first round, for as long at most
PATIENCE = 20.0
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


def await_tokens(
    status: Path = layout.CREDMON_STATUS,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Until the credential monitor has written how it fares; a pool without tokens is better than none for longer."""
    end = now() + PATIENCE
    while not status.exists() and now() < end:
        pause(0.1)


def main() -> None:
    """End what the schedd before has left, and become condor_schedd when there are tokens."""
    end_orphans()
    await_tokens()
    os.execv(_SCHEDD, ("condor_schedd", *sys.argv[1:]))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
