"""Small real HTTPS servers for where the hub's neighbours are: issuers, the broker, the API server, the proxy."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.fakes import threaded
from tests.fakes.authority import Authority


@dataclass
class Request:
    """One request as a fake sees it; header names are in lower case, of each parameter the last value."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {key: values[-1] for key, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What a fake answers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Serves `answer` on 127.0.0.1, over https where there is an authority, and keeps what was asked in `requests`."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.requests: list[Request] = []
        self._threads = ExitStack()
        self._server = threaded.server(self._handler(), authority)
        self.port = self._server.server_port
        self.url = f"http{'s' if authority else ''}://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Reply:
        """To be overridden."""
        return Reply(404, {"error": f"nothing at {request.path}"})

    def __enter__(self) -> Self:
        self._threads.enter_context(threaded.running(self._server))
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.close()

    def stream(self, request: Request) -> Callable[[Callable[[bytes], None]], None] | None:
        """A function that writes a chunked answer, for requests that are answered so."""
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(threaded.Quiet, BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
                request = Request(
                    self.command, parts.path, query, {k.lower(): v for k, v in self.headers.items()}, body
                )
                fake.requests.append(request)
                if writer := fake.stream(request):
                    self._chunked(writer)
                else:
                    self._whole(fake.answer(request))

            do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the names that http.server calls

            def _whole(self, reply: Reply) -> None:
                content = b"" if reply.body is None else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _chunked(self, writer: Callable[[Callable[[bytes], None]], None]) -> None:
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Content-Type", "application/json")
                self.end_headers()

                def write(data: bytes) -> None:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()

                try:
                    writer(write)
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    self.close_connection = True

        return Handler
