"""An https cache in small: files of a directory, whole or by range, to whoever shows a token that is not over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.fakes import threaded
from tests.fakes.authority import Authority


@dataclass
class HttpsLake:
    """`good` are the tokens that are not over; `refused`: paths."""

    directory: Path
    good: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, name: str) -> str:
        """https:// URL of a file."""
        return f"https://localhost:{self.port}/{name}"


class _Handler(threaded.Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lake: HttpsLake

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        self._answer(True)

    def _answer(self, with_body: bool) -> None:
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.lake.good:
            self.lake.refused.append(self.path)
            return self._send(403, b"permission denied", with_body)
        content = (self.lake.directory / self.path.lstrip("/")).read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self._send(200, content, with_body)
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        return self._send(206, content[first : last + 1], with_body, f"bytes {first}-{last}/{len(content)}")

    def _send(self, status: int, body: bytes, with_body: bool, span: str = "") -> None:
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@contextmanager
def serving(directory: Path, authority: Authority) -> Iterator[HttpsLake]:
    """Serves as `localhost` while the context lasts."""
    lake = HttpsLake(directory)
    server = threaded.server(type("Handler", (_Handler,), {"lake": lake}), authority, "localhost")
    lake.port = server.server_port
    with threaded.running(server):
        yield lake
