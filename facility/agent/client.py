"""How programs ask the agent at its socket; imports next to nothing, as some run for a moment only."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from facility.agent import files

_PATIENCE = 30.0  # seconds; longer than the agent may take to ask the broker
_GLANCE = 2.0  # seconds for an answer that needs nobody else


def ask(path: Path, request: dict[str, Any], patience: float = _PATIENCE) -> dict[str, Any]:
    """The agent's answer to one request. Raises OSError when there is no agent, ValueError when it makes no sense."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience)
        connection.connect(str(path))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            answer = json.loads(stream.readline())
    if not isinstance(answer, dict):
        raise ValueError("the agent's answer is no JSON object")
    return answer


def status(directory: Path) -> dict[str, Any]:
    """How the agent says that things are, or else what it has written last; {} when there is nothing of either."""
    try:
        found = ask(directory / files.SOCKET, {"status": True}, _GLANCE).get("status")
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else files.read_status(directory)
