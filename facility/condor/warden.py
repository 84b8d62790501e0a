"""What watches over an execute pod beside HTCondor: a process of its own, as HTCondor's daemons must not wait for it.

`python3 -m facility.condor.warden`: started by `facility.condor.start` before that becomes condor_master, it ends with
the container.
"""

from __future__ import annotations

import os
import pwd
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from facility.condor import layout
from facility.condor.gauges import Disk, Memory, Processes
from facility.condor.pressure import Pressure
from facility.condor.reconfigure import say
from facility.condor.retire import Retirement

#: seconds between two looks at what may be full: a job must not fill the headroom within one, a stopped one fills none
_OFTEN, _STOPPED = 0.01, 0.05
#: between two looks at all else, and before the first: a master that begins is not ready for signals
_SELDOM, _BEGINNING = 1.0, 10.0


class Warden:
    """Looks at what may be full often and at the rest now and then; what fails is told once, and tried again."""

    def __init__(self, pressure: Pressure, retirement: Retirement, now: Callable[[], float] = time.monotonic) -> None:
        self._pressure, self._retirement, self._now = pressure, retirement, now
        self._next, self._trouble = now() + _BEGINNING, ""

    def look(self) -> float:
        """One round; how many seconds to wait before the next."""
        try:
            self._pressure.look()
            self._trouble = ""
        except (OSError, ValueError) as error:
            if str(error) != self._trouble:
                say(f"memory and disk cannot be watched: {error}")
            self._trouble = str(error)
        if self._now() >= self._next:
            self._next = self._now() + _SELDOM
            self._retirement.look()
        return _STOPPED if self._pressure.stopped else _OFTEN


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> None:
    """For ever. The argument is the process id of HTCondor's master."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # while HTCondor leaves, jobs still run
    master = int(arguments[0])
    retirement = Retirement(lambda: os.kill(master, signal.SIGHUP), time.time, say)
    warden = Warden(_pressure(), retirement)
    while True:
        time.sleep(warden.look())


def _pressure() -> Pressure:
    uids = _accounts()
    processes = Processes(uids)
    most = int(os.environ.get("EP_DISK", "0")) // 1024
    disk = Disk(layout.LOCAL / "execute", most, uids, time.monotonic)
    return Pressure(processes, [Memory(processes), *([disk] if most else [])], time.monotonic, say)


def _accounts() -> frozenset[int]:
    """Of the jobs of this pod, by the names that HTCondor is given: a VO's own image may have others of those names."""
    found = set()
    for number in range(1, int(os.environ.get("EP_CPUS", "0")) + 1):
        with suppress(KeyError):
            found.add(pwd.getpwnam(f"slot{number}").pw_uid)
    return frozenset(found)


if __name__ == "__main__":
    main()
