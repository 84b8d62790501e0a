"""How many jobs each owner has at an access point.

HTCondor's Python bindings hold the interpreter's lock while they wait for the network: 60 s when a daemon does not
answer. So they run in a child process (`facility.condor.jobs_child`), and whoever asks waits with a time limit.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from facility.condor.amounts import Shape
from facility.condor.situation import Need

#: seconds; the collector and the schedd together answer within a tenth of one, with 100,000 jobs within some
PATIENCE = 20.0
_CHILD = (sys.executable, "-m", "facility.condor.jobs_child")


class QueueError(Exception):
    """A queue could not be read; the text says why."""


@dataclass(frozen=True)
class OwnerJobs:
    """One owner's jobs at one access point, each counted once.

    arriving: their input files are on the way. starting_over: held by HTCondor because a token was missing, and let go
    by it. hindered: held by the credential monitor until they can have a token; suspended: held by it because the owner
    is stopped. held: by anybody else.
    services: those that jobs name which run or may start. needs: what idle jobs ask for, the kinds with most jobs.
    working: by execute pod, what the jobs that run in it have asked for together.
    """

    owner: str
    idle: int = 0
    running: int = 0
    held: int = 0
    arriving: int = 0
    starting_over: int = 0
    hindered: int = 0
    suspended: int = 0
    services: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    working: Mapping[str, Shape] = field(default_factory=dict)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> OwnerJobs:
        """From an entry of the child's answer. Raises TypeError."""
        needs = tuple(Need(Shape(*shape), count) for *shape, count in entry.get("needs", ()))
        working = {pod: Shape(*shape) for pod, shape in entry.get("working", {}).items()}
        lists = {"services": tuple(entry.get("services", ())), "needs": needs, "working": working}
        return cls(**{**entry, **lists})

    @property
    def stopped(self) -> int:
        """How many wait for somebody, whoever holds them."""
        return self.held + self.hindered + self.suspended

    @property
    def needs_token(self) -> bool:
        """Whether a job of theirs goes on running, or may be started without anybody asking for it."""
        return bool(self.idle or self.running or self.arriving or self.starting_over or self.hindered)


class Queues:
    """Reads queues through one child process, which is started when it is needed and ended when it does not answer.

    Blocking, and safe to be called from threads: an event loop calls `ask` by `asyncio.to_thread`.
    """

    def __init__(self, environment: Mapping[str, str], command: tuple[str, ...] = _CHILD, patience: float = PATIENCE):
        """`environment`: all that the child gets, above all HTCondor's configuration (CONDOR_CONFIG, _CONDOR_…)."""
        self._environment, self._command, self._patience = dict(environment), command, patience
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        """The jobs of all owners at the schedd of that name, or at this pod's own if it is "". Raises QueueError."""
        with self._lock:
            try:
                answer = self._exchange(schedd)
            except (OSError, ValueError) as error:
                self._end()
                raise QueueError(f"{_queue(schedd)} cannot be read: {error}") from None
        if "error" in answer:
            raise QueueError(f"{_queue(schedd)} cannot be read: {answer['error']}")
        return tuple(OwnerJobs.read(entry) for entry in answer["owners"])

    def close(self) -> None:
        """End the child. `ask` starts another."""
        with self._lock:
            self._end()

    def _exchange(self, schedd: str) -> dict[str, Any]:
        stdin, stdout = self._pipes()
        stdin.write(json.dumps({"schedd": schedd}) + "\n")
        stdin.flush()
        if not select.select([stdout], [], [], self._patience)[0]:
            raise ValueError(f"no answer within {self._patience:g} s")
        line = stdout.readline()
        if not line:
            raise ValueError("the process that reads queues has ended")
        return dict(json.loads(line))

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._child = subprocess.Popen(  # noqa: S603 - this package's own module
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment
            )
        assert self._child.stdin
        assert self._child.stdout
        return self._child.stdin, self._child.stdout

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


def _queue(schedd: str) -> str:
    return f"the queue of {schedd}" if schedd else "the queue"
