"""The agent's Unix socket: one line of JSON in, one line out, for programs of the same user in the same pod.

It is opened after the agent's first round, so whether it can be reached also tells whether the agent is ready.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

from facility.agent import presence

Answer = Callable[[dict[str, Any]], dict[str, Any]]
_LONGEST_LINE = 64 * 1024
_PATIENCE = 30.0  # seconds; longer than the agent may take to ask the broker


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    stopping = False

    def __init__(self, path: Path, answer: Answer) -> None:
        self.answer = answer
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Handler)
        finally:
            os.umask(before)

    def serve(self) -> None:
        """Sleeps until somebody connects: `serve_forever` would wake twice a second in every pod of the facility."""
        while not self.stopping:
            self.handle_request()


class _Handler(StreamRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def handle(self) -> None:
        """Answers each line until the other side closes; whoever goes away early is no error of the agent."""
        try:
            while line := self.rfile.readline(_LONGEST_LINE):
                self.wfile.write(json.dumps(self._answer(line)).encode() + b"\n")
        except OSError:
            return

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"error": "invalid_request", "error_description": "one JSON object a line is expected"}
        return self.server.answer(request)


@contextmanager
def listening(path: Path, answer: Answer) -> Iterator[None]:
    """Answers at `path` (mode 0600) while the context lasts. Raises OSError when it cannot be made."""
    with _Server(path, answer) as server:
        thread = threading.Thread(target=server.serve, name="socket", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.stopping = True
            presence.listening(str(path))  # wakes the thread
            thread.join()
            path.unlink(missing_ok=True)


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The agent's answer to one request. Raises OSError when there is no agent, ValueError when it makes no sense."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(str(path))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            answer = json.loads(stream.readline())
    if not isinstance(answer, dict):
        raise ValueError("the agent's answer is no JSON object")
    return answer
