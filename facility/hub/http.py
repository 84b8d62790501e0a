"""One way out of the hub: JSON over verified TLS, each request limited in time, and no secret in any error.

oauthenticator's own helper logs the bodies of failed answers, and issuers write tokens into them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

_LARGEST = 1 << 20  # bytes of an answer
_PARALLEL = 100  # tornado's own ten would make people wait for each other when an issuer is slow


class NoAnswerError(Exception):
    """No usable answer came; the text names the host and the kind of failure only."""


@dataclass(frozen=True)
class Answer:
    """Status and decoded JSON of an answer; the body is None when it was no JSON, and never printed."""

    status: int
    body: Any = field(repr=False)

    def get(self, key: str) -> Any:
        """A member of the body if that is an object, else None."""
        return self.body.get(key) if isinstance(self.body, dict) else None


class Http:
    """A client that trusts the certificates of one bundle, read at each connection so that new CAs need no restart."""

    def __init__(self, bundle: str | None) -> None:
        self._bundle = bundle
        self._client = AsyncHTTPClient(force_instance=True, max_clients=_PARALLEL, max_body_size=_LARGEST)

    async def ask(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: str | None = None, seconds: float = 10
    ) -> Answer:
        """The answer to one request, whatever its status. Redirects are not followed. Raises NoAnswerError."""
        request = HTTPRequest(
            url,
            method=method,
            headers={"Accept": "application/json", **(headers or {})},
            body=body,
            ca_certs=self._bundle,
            validate_cert=True,
            connect_timeout=seconds,
            request_timeout=seconds,
            follow_redirects=False,
        )
        try:
            response = await self._client.fetch(request, raise_error=False)
        except (HTTPClientError, OSError, ValueError) as error:
            raise NoAnswerError(f"{urlsplit(url).netloc} does not answer ({type(error).__name__})") from None
        return Answer(response.code, _decoded(response.body))


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
