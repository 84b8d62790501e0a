"""The broker as its callers see it: a real HTTPS server with the broker's answers and none of its insides."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes import threaded
from tests.fakes.authority import Authority

IDENTITY = "pod-identity.of-alice"


@dataclass
class TokenBroker:
    """What it answers next, and what it was asked. `refusal` is (status, error, description) of tokens.

    `refused` is (error, description) in the list of files; whoever waits for news is answered when `tell` says so.
    `last` is given instead of a new token, with `warning`; nobody may ask for a longer life than `most`. `wall` is its
    clock, `mint` makes a token of its number and audience, `jobs` is how its person's jobs fare.
    """

    url: str = ""
    life: int = 60
    wanted: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"name": "lake", "audience": "https://lake.test", "scope": "storage.read:/open"},
            {"name": "compute", "audience": "condor://cm.test", "scope": "compute.read"},
        ]
    )
    refusal: tuple[int, str, str] | None = None
    refused: tuple[str, str] | None = None
    warning: str = ""
    last: dict[str, Any] | None = None
    again: float = 0.0
    raw: bytes | None = None
    waits: list[float] = field(default_factory=list)
    waiting: threading.Event = field(default_factory=threading.Event)
    news: threading.Condition = field(default_factory=threading.Condition)
    issued: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    lists: int = 0
    most: int = 1_000_000
    wall: Callable[[], float] = time.time
    jobs: dict[str, Any] = field(default_factory=lambda: {"user": "cms-alice", "known": False})
    mint: Callable[[int, str], str] = lambda number, audience: f"token-{number}.{audience.rpartition('/')[2]}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """POST /token."""
        self.asked.append(form)
        if form.get("subject_token") != IDENTITY:
            return 401, {"error": "invalid_client", "error_description": "identity token not accepted"}
        if self.refusal:
            status, error, description = self.refusal
            return status, {"error": error, "error_description": description}
        if int(form.get("min_valid", 0)) > self.most:
            return 400, {"error": "invalid_request", "error_description": f"min_valid is at most {self.most}"}
        if self.last:
            return 200, self.last | {"warning": self.warning}
        self.issued += 1
        value = self.mint(self.issued, form["audience"])
        scope = form.get("scope", "all")
        return 200, {"access_token": value, "token_type": "Bearer", "expires_in": self.life, "scope": scope}

    def files(self, authorization: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """GET /wanted."""
        self.lists += 1
        if authorization != f"Bearer {IDENTITY}":
            return 401, {"error": "invalid_client", "error_description": "identity token not accepted"}
        seen, wait = query.get("seen", [""])[0], float(query.get("wait", ["0"])[0])
        if wait and self.raw is None:
            self.waits.append(wait)
            with self.news:
                self.waiting.set()
                self.news.wait_for(lambda: self._listing()["state"] != seen, wait)
        return 200, self._listing()

    def batch(self, authorization: str) -> tuple[int, dict[str, Any]]:
        """GET /batch."""
        if authorization != f"Bearer {IDENTITY}":
            return 401, {"error": "invalid_client", "error_description": "identity token not accepted"}
        return 200, self.jobs

    def tell(self, **changes: Any) -> None:
        """Changes what is said, and answers those who wait."""
        with self.news:
            for name, value in changes.items():
                setattr(self, name, value)
            self.news.notify_all()

    def _listing(self) -> dict[str, Any]:
        found: dict[str, Any] = {"files": self.wanted}
        if self.refused:
            found["refused"] = dict(zip(("error", "error_description"), self.refused, strict=True))
        return found | {"state": str(hash(json.dumps(found))), "again": self.again}


@contextmanager
def serving(authority: Authority, broker: TokenBroker) -> Iterator[TokenBroker]:
    """Serves `broker` on loopback while the context lasts."""

    class Handler(threaded.Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            who, asked = self.headers.get("Authorization", ""), urlsplit(self.path)
            self._answer(*(broker.batch(who) if asked.path == "/batch" else broker.files(who, parse_qs(asked.query))))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(*broker.token({key: values[0] for key, values in parse_qs(body).items()}))

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode() if broker.raw is None else broker.raw
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(broker.wall())

    server = threaded.server(Handler, authority)
    broker.url = f"https://127.0.0.1:{server.server_port}"
    with threaded.running(server):
        yield broker
