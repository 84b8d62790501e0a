"""The credential monitor of an access point: `python3 -m facility.condor.credmon`, a container beside the schedd.

Every two seconds it asks the schedd which owners have jobs, keeps their lake tokens good, and tells HTCondor when its
people or its configuration have changed. It can be ended and started at any time: all it knows is in the queue and at
the broker. How it fares is in its log and in `credmon.status`; neither ever holds a token.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from facility.condor import layout
from facility.condor.credentials import Credentials
from facility.condor.eviction import Eviction
from facility.condor.jobs import QueueError, Queues
from facility.condor.keeper import PERIOD, Keeper
from facility.condor.reconfigure import Reconfigure, say
from facility.exchange import Broker


@dataclass(frozen=True)
class Settings:
    """What the operator writes into `credmon.json`. `audience` is empty when the VO has no lake.

    closed: whether the VO is, so that no job may run and none needs a token.
    """

    vo: str
    broker: str
    audience: str
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
        eviction: Eviction | None = None,
    ) -> None:
        """`eviction`: ends running jobs, where the VO is closed."""
        self._keeper, self._queues, self._reconfigure, self._status = keeper, queues, reconfigure, status
        self._eviction = eviction
        self._queue_problem = ""

    def turn(self) -> None:
        """Look at files and queue, then at the tokens. Raises OSError when tokens cannot be written."""
        self._reconfigure.look()
        if self._eviction:
            self._close(self._eviction)
        elif self._keeper.audience:
            self._tokens()
        self._write_status()

    def _close(self, eviction: Eviction) -> None:
        """Nobody has a token, and what runs ends; once HTCondor knows that it must not start again."""
        self._keeper.round(())
        if self._reconfigure.problem:
            return
        try:
            eviction.look(self._queues.ask(""))
        except QueueError as error:
            self._trouble(str(error))
        else:
            self._trouble("")

    def _tokens(self) -> None:
        try:
            jobs = self._queues.ask("")
        except QueueError as error:
            self._trouble(str(error))
            self._keeper.renew()
        else:
            self._trouble("")
            self._keeper.round(jobs)

    def _trouble(self, problem: str) -> None:
        if problem != self._queue_problem:
            say(problem or "the queue can be read again")
        self._queue_problem = problem

    def _write_status(self) -> None:
        owners = {
            owner: {"good_until": int(held.expires), "problem": held.problem}
            for owner, held in sorted(self._keeper.held.items())
        }
        status = {
            "time": int(self._keeper.now()),
            "queue": self._queue_problem,
            "reconfigure": self._reconfigure.problem,
            "owners": owners,
        }
        partial = self._status.with_name(f".{self._status.name}.new")
        partial.write_text(json.dumps(status, indent=1) + "\n")
        partial.rename(self._status)


def make(settings: Settings) -> Monitor:
    """The monitor in its place in the pod."""
    broker = Broker(settings.broker, layout.IDENTITY)
    files = Credentials(layout.CREDENTIALS, settings.vo)
    keeper = Keeper(settings.vo, settings.audience, settings.refresh, broker, files, time.time, say)
    watched = (layout.CONFIG, layout.PEOPLE / "mapfile")
    eviction = Eviction(time.time, say) if settings.closed else None
    return Monitor(keeper, Queues(os.environ), Reconfigure(watched, say=say), layout.CREDMON_STATUS, eviction)


def main() -> None:
    """For ever; begins anew when its settings have changed."""
    signal.signal(signal.SIGTERM, _leave)
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
    sys.exit(0)


if __name__ == "__main__":
    main()
