"""An issuer on a bad day: slow, cut off in the middle, refusing for being busy, failing, or hidden behind a web page.

A mood is set in `issuer.yaml` or, while the issuer runs, by a test's client (see `admin`). It wraps the application, so
that what is answered late or cut off has been done all the same: a refresh token is rotated, and nobody hears of it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from facility.dev.issuer.settings import Mood

_PAGE = b"<!DOCTYPE html><html><body><h1>We will be back soon</h1></body></html>"
_REASONS = {200: "OK", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway"}
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Moody:
    """A WSGI application around another. `mood` may be exchanged at any time."""

    def __init__(self, inner: Wsgi, mood: Mood, sleep: Callable[[float], None] = time.sleep) -> None:
        self._inner, self._sleep = inner, sleep
        self.mood = mood

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Called by the server."""
        mood = self.mood
        if environ.get("PATH_INFO") not in mood.paths:
            return self._inner(environ, start)
        if mood.status or mood.page:
            return _instead(mood, start)
        answer = self._inner(environ, start)
        self._sleep(mood.delay)
        return _cut(answer) if mood.cut else answer


def _instead(mood: Mood, start: Any) -> Iterable[bytes]:
    """Another answer than the application's, which is not even asked."""
    status = mood.status or 200
    body = _PAGE if mood.page else b'{"error":"temporarily_unavailable","error_description":"Later"}'
    headers = [("Content-Type", "text/html" if mood.page else "application/json"), ("Content-Length", str(len(body)))]
    if mood.retry_after:
        headers.append(("Retry-After", str(mood.retry_after)))
    start(f"{status} {_REASONS.get(status, 'Trouble')}", headers)
    return [body]


def _cut(answer: Iterable[bytes]) -> Iterator[bytes]:
    """The first half of a body; then the connection is gone."""
    try:
        body = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    yield body[: len(body) // 2]
    raise ConnectionResetError(errno.ECONNRESET, "cut off on purpose")
