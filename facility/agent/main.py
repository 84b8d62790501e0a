"""`python3 -m facility.agent.main`: the token agent of one pod. `--ready` asks a running one whether it is ready.

It reads AGENT_BROKER_URL, AGENT_IDENTITY and AGENT_DIRECTORY; SSL_CERT_FILE names the CAs that it trusts. It never
exits because the broker is away: a sidecar that exits at start would keep the notebook from starting.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from facility.agent import files, presence, socket
from facility.agent.answers import Answers
from facility.agent.clock import steady
from facility.agent.keeper import Keeper
from facility.exchange import Broker

_DIRECTORY = "/run/token"
_IDENTITY = "/var/run/identity/token"
_STACK = 512 * 1024  # bytes; the agent's threads are shallow, and there is one agent beside every notebook


def directory(environment: Mapping[str, str]) -> Path:
    """Where the agent of this pod keeps its files and its socket."""
    return Path(environment.get("AGENT_DIRECTORY", _DIRECTORY))


def say(text: str) -> None:
    """One line of log. No token is ever given to it."""
    print(f"agent: {text}", file=sys.stderr, flush=True)


class Entrance:
    """The socket, opened again whenever its file is gone; without it the agent keeps the files all the same."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path, self._answers = path, answers
        self._door: socket.Door | None = None
        self._problem = ""

    def look(self) -> None:
        """Opens it if it is not open."""
        if self._door and self._door.there:
            return
        self.close()
        try:
            self._door, problem = socket.Door(self._path, self._answers), ""
        except OSError as error:
            problem = f"no socket at {self._path}: {os.strerror(error.errno or 0)}"
        if problem and problem != self._problem:
            say(problem)
        self._problem = problem

    def close(self) -> None:
        """Nobody is answered any more."""
        if self._door:
            self._door.close()
        self._door = None


def run(broker: Broker, place: Path, stop: threading.Event) -> None:
    """Keeps the files until `stop` is set, listening to the broker meanwhile."""
    keeper = Keeper(broker, place, say=lambda text: None if stop.is_set() else say(text))
    entrance = Entrance(place / files.SOCKET, Answers(broker, keeper))
    pause = keeper.round()
    entrance.look()
    while not stop.is_set():
        if not stop.wait(keeper.listen(pause)):
            pause = keeper.round()
            entrance.look()
    entrance.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """128 and the number of the signal that ended it; with `--ready` 0, or 1 before the first round is over.

    Ended is never done: in people's pods a container that says 0 is not started again (restartPolicy OnFailure).
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--ready"]:
        return 0 if presence.listening(str(directory(os.environ) / files.SOCKET)) else 1
    if given:
        print("usage: python3 -m facility.agent.main [--ready]", file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold tokens
    broker = Broker(os.environ["AGENT_BROKER_URL"], Path(os.environ.get("AGENT_IDENTITY", _IDENTITY)), now=steady)
    stop, ended = threading.Event(), []

    def end(number: int, _: object) -> None:
        ended.append(number)
        stop.set()
        broker.hang_up()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    threading.stack_size(_STACK)
    run(broker, directory(os.environ), stop)
    return 128 + ended[0]


if __name__ == "__main__":
    sys.exit(main())
