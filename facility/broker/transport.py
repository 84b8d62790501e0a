"""HTTPS to issuers, limited in time and size, whatever answers there."""

from __future__ import annotations

import time
from collections.abc import Callable
from ssl import SSLContext

import aiohttp

from facility.tokens.wire import Request, Response, UnavailableError, seconds_to_wait

CONNECT, TOTAL = 5.0, 10.0  # seconds for one request
LARGEST = 1 << 20  # bytes of an answer


class Transport:
    """HTTPS to issuers. `trust` gives the TLS context to use now; `total`: seconds for one request.

    Each request has a connection of its own: on one that the issuer is just closing a refresh may be lost, and nobody
    could say whether the refresh token has been rotated.
    """

    def __init__(self, trust: Callable[[], SSLContext], total: float = TOTAL) -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._trust = trust
        self._limits = aiohttp.ClientTimeout(total=total, sock_connect=min(CONNECT, total))

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def send(self, request: Request) -> Response:
        """One request. Redirects are not followed: they would carry secrets elsewhere. Raises UnavailableError."""
        headers = {"Accept": "application/json"}
        if request.authorization is not None:
            headers["Authorization"] = request.authorization
        try:
            async with self._session.request(
                request.method,
                request.url,
                data=request.form,
                headers=headers,
                ssl=self._trust(),
                timeout=self._limits,
                allow_redirects=False,
            ) as answer:
                wait = seconds_to_wait(answer.headers.get("Retry-After", ""), time.time())
                return Response(answer.status, await _body(answer), answer.content_type, wait)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{request.url}: {type(error).__name__}") from None


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise UnavailableError(f"{answer.url.host} answers more than {LARGEST} bytes")
    return bytes(body)
