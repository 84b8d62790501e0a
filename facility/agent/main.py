"""`python3 -m facility.agent.main`: the token agent of one pod. `--ready` asks a running one whether it is ready.

It reads AGENT_BROKER_URL, AGENT_IDENTITY and AGENT_DIRECTORY; SSL_CERT_FILE names the CAs that it trusts. It never
exits because the broker is away: a sidecar that exits at start would keep the notebook from starting.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from facility.agent import files, presence, socket
from facility.agent.answers import Answers
from facility.agent.keeper import Keeper
from facility.exchange import Broker

_DIRECTORY = "/run/token"
_IDENTITY = "/var/run/identity/token"
_STACK = 512 * 1024  # bytes; the agent's threads are shallow, and there is one agent beside every notebook
_AFTER_TROUBLE = 5.0  # seconds


def directory(environment: Mapping[str, str]) -> Path:
    """Where the agent of this pod keeps its files and its socket."""
    return Path(environment.get("AGENT_DIRECTORY", _DIRECTORY))


def say(text: str) -> None:
    """One line of log. No token is ever given to it."""
    print(f"agent: {text}", file=sys.stderr, flush=True)


def attempt(work: Callable[[], float]) -> float:
    """A piece of the keeper's work; seconds until the next. A full or broken directory is said and tried again."""
    try:
        return work()
    except OSError as error:
        say(f"cannot write: {error}")
        return _AFTER_TROUBLE


def run(broker: Broker, place: Path, stop: threading.Event) -> None:
    """Keeps the files until `stop` is set, listening to the broker meanwhile. Raises OSError when it cannot begin."""
    keeper = Keeper(broker, place, say=lambda text: None if stop.is_set() else say(text))
    pause = attempt(keeper.round)
    with socket.listening(place / files.SOCKET, Answers(broker, keeper, place)):
        while not stop.is_set():
            rest = attempt(partial(keeper.listen, pause))
            if not stop.wait(rest):
                pause = attempt(keeper.round)


def main(arguments: Sequence[str] | None = None) -> int:
    """0; with `--ready` 1 while the agent has not finished its first round."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--ready"]:
        return 0 if presence.listening(str(directory(os.environ) / files.SOCKET)) else 1
    if given:
        print("usage: python3 -m facility.agent.main [--ready]", file=sys.stderr)
        return 2
    broker = Broker(os.environ["AGENT_BROKER_URL"], Path(os.environ.get("AGENT_IDENTITY", _IDENTITY)))
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        broker.hang_up()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    threading.stack_size(_STACK)
    run(broker, directory(os.environ), stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
