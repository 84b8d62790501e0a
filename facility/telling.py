"""How a container tells what it counts: texts by path, over http, to whom a NetworkPolicy lets in."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

#: of Prometheus' text format
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Text(NamedTuple):
    """An answer."""

    body: str
    kind: str = "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Answers GET with what `tell` has for a path, which has no query; with 404 where that is nothing."""

    daemon_threads = True

    def __init__(self, tell: Callable[[str], Text | None], port: int) -> None:
        """`port` 0 takes any. Raises OSError."""
        super().__init__(("", port), _Handler)
        self.tell = tell


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10
    server_version, sys_version = "accounting", ""

    def do_GET(self) -> None:
        """What is known of the path."""
        found = self.server.tell(self.path.partition("?")[0])
        text = found or Text("not here\n")
        body = text.body.encode()
        self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", text.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody needs to know who reads."""
