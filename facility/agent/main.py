"""`python3 -m facility.agent.main`: the token agent of one pod. `--ready` asks a running one whether it is ready.

It reads AGENT_BROKER_URL, AGENT_IDENTITY and AGENT_DIRECTORY; SSL_CERT_FILE names the CAs that it trusts. It never
exits because the broker is away: a sidecar that exits at start would keep the notebook from starting.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from facility.agent import files, socket
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


def attempt(keeper: Keeper) -> float:
    """One round; seconds until the next. A full or broken directory is said and tried again."""
    try:
        return keeper.round()
    except OSError as error:
        say(f"cannot write: {error}")
        return _AFTER_TROUBLE


def run(environment: Mapping[str, str], stop: threading.Event) -> None:
    """Keeps the files until `stop` is set. Raises KeyError, ValueError or OSError when it cannot even begin."""
    place = directory(environment)
    broker = Broker(environment["AGENT_BROKER_URL"], Path(environment.get("AGENT_IDENTITY", _IDENTITY)))
    keeper = Keeper(broker, place, say=say)
    pause = attempt(keeper)
    with socket.listening(place / files.SOCKET, Answers(broker, keeper, place)):
        while not stop.wait(pause):
            pause = attempt(keeper)


def main(arguments: Sequence[str] | None = None) -> int:
    """0; with `--ready` 1 while the agent has not finished its first round."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["--ready"]:
        return 0 if socket.reachable(directory(os.environ) / files.SOCKET) else 1
    if given:
        print("usage: python3 -m facility.agent.main [--ready]", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.stack_size(_STACK)
    run(os.environ, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
