"""A request is answered by the replica that holds the person's shard; others pass it on, as it came.

It goes to that replica's pod over TLS, checked against the name of the broker's Service, with the caller's own identity
token in it: the other replica finds out for itself who asks, and trusts nothing that this one says. While the holder
cannot be reached, what is stored and still good is handed out here, and no refresh token is used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ssl import SSLContext

import aiohttp
from aiohttp import web

from facility.broker import errors
from facility.broker.holding import Holding
from facility.broker.shards import MovedError
from facility.kubernetes import ApiError

log = logging.getLogger(__name__)
#: on a request that was passed on: it is passed on no further
MARK = "X-Facility-Forwarded"
_THERE = ("Authorization", "Content-Type", "Accept")
_BACK = ("Content-Type", "Cache-Control", "Pragma", "Retry-After", "WWW-Authenticate")
TOTAL, CONNECT = 12.0, 2.0  # seconds
KEEP = 20.0  # seconds for which a connection without requests stays open
PATIENCE = 5.0  # seconds to wait for a shard to have a holder
SIGN_IN_PATIENCE = 21.0  # a person would rather wait than begin anew: until the shards of a lost replica are taken
LOOKS = 3  # looks for a shard that another replica says is here
LARGEST = 1 << 20  # bytes of an answer

Here = Callable[[], Awaitable[web.StreamResponse]]


class Forwarding:
    """Finds the replica that answers. `name`: what the other's certificate has to carry."""

    def __init__(self, holding: Holding, trust: Callable[[], SSLContext], name: str) -> None:
        self._holding, self._trust, self._name = holding, trust, name
        limits = aiohttp.ClientTimeout(total=TOTAL, sock_connect=CONNECT)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=limits, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def answered(
        self, request: web.Request, subject: str, here: Here, patience: float = PATIENCE
    ) -> web.StreamResponse:
        """The answer to a request about `subject`, a hub user or a VO, wherever it comes from. Raises BrokerError."""
        try:
            return await self._anywhere(request, subject, here)
        except MovedError:
            return await self._later(request, subject, here, patience)

    async def _later(self, request: web.Request, subject: str, here: Here, patience: float) -> web.StreamResponse:
        """An answer once it is known who gives it. Raises BrokerError: that takes too long."""
        now = asyncio.get_running_loop().time
        end = now() + patience
        while (left := end - now()) > 0 and await self._found(request, subject, left):
            with suppress(MovedError):
                return await self._anywhere(request, subject, here)
        raise errors.unavailable("another replica is just taking this session over", retry_after=1)

    async def _anywhere(self, request: web.Request, subject: str, here: Here) -> web.StreamResponse:
        """An answer from here or there. Raises MovedError: neither may give one."""
        found = None if self._holding.held(subject) else await self._there(request, subject)
        return await here() if found is None else found

    async def _there(self, request: web.Request, subject: str) -> web.Response | None:
        """The answer of another replica; None when it is to be given here."""
        address = None if MARK in request.headers else self._holding.address(subject)
        if address is None:
            return None
        headers = {name: request.headers[name] for name in _THERE if name in request.headers} | {MARK: "1"}
        try:
            async with self._session.request(
                request.method,
                f"https://{address}{request.rel_url.raw_path_qs}",
                data=await request.read(),
                headers=headers,
                ssl=self._trust(),
                server_hostname=self._name,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(LARGEST)
                kept = {name: answer.headers[name] for name in _BACK if name in answer.headers}
                return web.Response(status=answer.status, body=body or None, headers=kept)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            log.warning("the replica at %s gives no answer: %s", address, type(error).__name__)
            return None

    async def _found(self, request: web.Request, subject: str, seconds: float) -> bool:
        """Looks who holds the shard, now, and waits for it; whether another try makes sense."""
        for _ in range(LOOKS):
            try:
                await self._holding.see()
            except ApiError as error:
                log.warning("leases: %s", error)
            if MARK not in request.headers:
                await self._holding.settled(subject, seconds)
                return True
            if self._holding.held(subject):
                return True
        return False
