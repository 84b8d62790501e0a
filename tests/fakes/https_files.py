"""A small https server of fixed answers, which remembers what it was asked and with which token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.fakes import threaded
from tests.fakes.authority import Authority


@dataclass
class HttpsFiles:
    """`answers`: path to (status, body). `seen`: (path, Authorization or "")."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Of the server."""
        return f"https://localhost:{self.port}"


@contextmanager
def serving(authority: Authority) -> Iterator[HttpsFiles]:
    """Serves as `localhost` while the context lasts; what it has no answer for is 404."""
    files = HttpsFiles()

    class Handler(threaded.Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.seen.append((self.path, self.headers.get("Authorization", "")))
            status, body = files.answers.get(self.path, (404, b"Unable to open; no such file or directory"))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = threaded.server(Handler, authority, "localhost")
    files.port = server.server_port
    with threaded.running(server):
        yield files
