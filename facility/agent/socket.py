"""The agent's Unix socket: one line of JSON in, one line out, for programs of the same user in the same pod.

It is opened after the agent's first round, so whether it can be reached also tells whether the agent is ready.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any]]
_LONGEST_LINE = 64 * 1024
_PATIENCE = 30.0  # seconds for a program to ask, or to take its answer


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


class Door:
    """The socket at `path` (mode 0600), for as long as its file is there."""

    def __init__(self, path: Path, answer: Answer) -> None:
        """Raises OSError when it cannot be made."""
        self._path, self._server = path, _Server(path, answer)
        self._inode = path.lstat().st_ino
        self._thread = threading.Thread(target=self._server.serve, name="socket", daemon=True)
        self._thread.start()

    @property
    def there(self) -> bool:
        """Whether programs still find it."""
        try:
            return self._path.lstat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Ends it, and removes its file if that is still its own."""
        self._server.stopping = True
        with suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, also where nobody can connect any more
        self._thread.join()
        if self.there:
            self._path.unlink(missing_ok=True)
        self._server.server_close()


@contextmanager
def listening(path: Path, answer: Answer) -> Iterator[None]:
    """Answers at `path` (mode 0600) while the context lasts. Raises OSError when it cannot be made."""
    door = Door(path, answer)
    try:
        yield
    finally:
        door.close()
