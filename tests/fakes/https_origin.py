"""A storage over https in small (WebDAV without PROPFIND), which remembers what it was asked in which order."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.fakes import threaded
from tests.fakes.authority import Authority


def at_once() -> None:
    """Holds no answer."""


class Asked(NamedTuple):
    """One question. part: first and last byte (RFC 9110, 14.1.2), if not the whole is wanted."""

    method: str
    path: str
    part: tuple[int, int] | None = None


@dataclass
class HttpsOrigin:
    """A storage's files, path to content, and its manners.

    parts: it gives parts of files. tag_of_parts: ETag that it gives with them, if not the file's; none if empty.
    sends_on: the URL of who gives the files themselves, as dCache's doors do. held: called in the middle of an answer.
    tokens: what came as Authorization.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    parts: bool = True
    tag_of_parts: str | None = None
    sends_on: str = ""
    held: Callable[[], object] = at_once
    asked: list[Asked] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    port: int = 0

    def of(self, path: str) -> list[Asked]:
        """What was asked of a file, in order."""
        return [one for one in self.asked if one.path == path]


class _Handler(threaded.Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: HttpsOrigin

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = "/" + urlsplit(self.path.lstrip("/")).path
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = (int(wanted[1]), int(wanted[2])) if wanted else None
        self.origin.asked.append(Asked(self.command, path, part))
        self.origin.tokens.add(self.headers.get("Authorization", ""))
        content = self.origin.files.get(path)
        if content is None:
            self._send(404, b"")
        elif self.origin.sends_on and self.command == "GET":
            self._send(302, b"", location=self.origin.sends_on + path)
        elif part is None or not self.origin.parts or self.command == "HEAD":
            self._send(200, content, tag=self._tag(content))
        elif part[0] >= len(content):
            self._send(416, b"", span=f"bytes */{len(content)}")
        else:
            last = min(part[1], len(content) - 1)
            tag = self._tag(content) if self.origin.tag_of_parts is None else self.origin.tag_of_parts
            self._send(206, content[part[0] : last + 1], tag=tag, span=f"bytes {part[0]}-{last}/{len(content)}")

    @staticmethod
    def _tag(content: bytes) -> str:
        return f'"{zlib.adler32(content):08x}"'

    def _send(self, status: int, body: bytes, *, tag: str = "", span: str = "", location: str = "") -> None:
        self.send_response(status)
        told = {"ETag": tag, "Content-Range": span, "Location": location, "Content-Length": str(len(body))}
        for name, value in told.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET" and body:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.origin.held()
            self.wfile.write(body[len(body) // 2 :])


@contextmanager
def serving(authority: Authority) -> Iterator[HttpsOrigin]:
    """Serves as `localhost` while the context lasts."""
    origin = HttpsOrigin()
    server = threaded.server(type("Handler", (_Handler,), {"origin": origin}), authority, "localhost")
    origin.port = server.server_port
    with threaded.running(server):
        yield origin
