"""The credential monitor of an access point: `python3 -m facility.condor.credmon`, a container beside the schedd.

Every two seconds it asks the schedd which owners have jobs and what tokens these name, keeps those good, holds the jobs
of people who must sign in again or are suspended, and tells HTCondor when its people, what limits them, or its
configuration have changed. It can be ended and started at any time: all it knows is in the queue, in the files and at
the broker; while the queue cannot be read, it keeps the tokens that were needed last. How it fares is in its log and in
`credmon.status`; neither ever holds a token.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from facility.condor import layout, whole
from facility.condor.credentials import Credentials
from facility.condor.eviction import Eviction
from facility.condor.jobs import OwnerJobs, QueueError, Queues
from facility.condor.keeper import PERIOD, Keeper
from facility.condor.reconfigure import Reconfigure, say
from facility.condor.remembered import Remembered
from facility.condor.suspension import Suspension
from facility.condor.user_records import Records
from facility.condor.waiting import Waiting
from facility.exchange import Broker


@dataclass(frozen=True)
class Settings:
    """What the operator writes into `credmon.json`.

    services: the audience of each service that jobs may name, the lake's under the VO's name. refresh: how often a
    running job looks for a new token, in seconds. closed: whether the VO is, so that no job may run and none needs a
    token.
    """

    vo: str
    broker: str
    services: dict[str, str]
    refresh: float
    closed: bool = False


def load(path: Path = layout.CREDMON_SETTINGS) -> Settings:
    """The settings. Raises OSError, ValueError or TypeError."""
    return Settings(**json.loads(path.read_text()))


class Monitor:
    """One access point's monitor; `turn` is one of its rounds."""

    def __init__(
        self,
        keeper: Keeper,
        queues: Queues,
        reconfigure: Reconfigure,
        status: Path,
        waiting: Waiting,
        records: Records,
        suspension: Suspension,
        remembered: Remembered,
        eviction: Eviction | None = None,
    ) -> None:
        """`eviction`: ends running jobs, where the VO is closed."""
        self._remembered = remembered
        if not eviction:
            keeper.remember(remembered.files())
        self._keeper, self._queues, self._reconfigure, self._status = keeper, queues, reconfigure, status
        self._waiting, self._records, self._suspension, self._eviction = waiting, records, suspension, eviction
        self._queue_problem = ""

    def turn(self) -> None:
        """Look at files and queue, then at the tokens. Raises OSError when tokens cannot be written."""
        self._reconfigure.look()
        self._records.look()
        if self._eviction:
            self._close(self._eviction)
        else:
            self._work()
        self._write_status()

    def _close(self, eviction: Eviction) -> None:
        """Nobody has a token, and what runs ends; once HTCondor knows that it must not start again."""
        self._keeper.clear()
        self._remembered.keep(())
        if self._reconfigure.problem:
            return
        if (jobs := self._read()) is not None:
            eviction.look(jobs)

    def _work(self) -> None:
        jobs = self._read()
        self._records.meet(one.owner for one in jobs or ())
        limits = self._records.limits
        if jobs is not None and limits is not None:  # nobody is let go because it is not known who is stopped
            self._suspension.look(jobs, limits.suspended)
        if self._keeper.services:
            self._tokens(jobs)

    def _tokens(self, jobs: tuple[OwnerJobs, ...] | None) -> None:
        if jobs is None:
            self._keeper.renew()
            return
        self._keeper.round(jobs)
        self._remembered.keep(self._keeper.wanted)
        self._waiting.look(jobs, self._keeper)

    def _read(self) -> tuple[OwnerJobs, ...] | None:
        """The queue, if it can be read now."""
        try:
            jobs = self._queues.ask("")
        except QueueError as error:
            self._trouble(str(error))
            return None
        self._trouble("")
        return jobs

    def _trouble(self, problem: str) -> None:
        if problem != self._queue_problem:
            say(problem or "the queue can be read again")
        self._queue_problem = problem

    def _write_status(self) -> None:
        status = {
            "time": int(self._keeper.now()),
            "queue": self._queue_problem,
            "reconfigure": self._reconfigure.problem,
            "owners": self._owners(),
        }
        whole.write(self._status, [json.dumps(status, indent=1), "\n"])

    def _owners(self) -> dict[str, dict[str, dict[str, object]]]:
        """How each token fares, by owner and service."""
        owners: dict[str, dict[str, dict[str, object]]] = {}
        for file, held in sorted(self._keeper.held.items()):
            fares = {"good_until": int(held.expires), "problem": held.problem}
            owners.setdefault(file.owner, {})[file.service] = fares
        return owners


def make(settings: Settings) -> Monitor:
    """The monitor in its place in the pod."""
    broker = Broker(settings.broker, layout.IDENTITY)
    files = Credentials(layout.CREDENTIALS)
    keeper = Keeper(settings.vo, settings.services, settings.refresh, broker, files, time.time, say)
    watched = (layout.CONFIG, layout.PEOPLE / "mapfile")
    told = Reconfigure(watched, say=say)
    waiting = Waiting(time.time, say)
    eviction = Eviction(time.time, say) if settings.closed else None
    records, suspension = Records(layout.LIMITS, time.time, say), Suspension(time.time, say)
    queues, remembered = Queues(os.environ), Remembered(layout.CREDMON_REMEMBERED, say)
    return Monitor(keeper, queues, told, layout.CREDMON_STATUS, waiting, records, suspension, remembered, eviction)


def main() -> None:
    """For ever; begins anew when its settings have changed."""
    signal.signal(signal.SIGTERM, _leave)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its memory holds tokens, a core file would keep them
    os.environ["CONDOR_CONFIG"] = str(layout.CONFIG)
    settings = load()
    monitor = make(settings)
    while load() == settings:
        begun = time.monotonic()
        monitor.turn()
        time.sleep(max(0.0, PERIOD - (time.monotonic() - begun)))
    say("other settings: beginning anew")
    os.execv(sys.executable, (sys.executable, "-m", "facility.condor.credmon"))  # noqa: S606 - no shell is wanted


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)  # ended and not done: what keeps it running starts it again unless the pod ends


if __name__ == "__main__":
    main()
