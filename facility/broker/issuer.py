"""The only module that talks to issuers: token endpoints, their metadata, their keys.

What to say and how to understand the answer is in `facility.tokens`; here it is sent, and every access token is
checked against what was asked for, signature included, before it goes any further.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from ssl import SSLContext
from typing import Any, TypeVar

import aiohttp

from facility.broker import keys
from facility.broker.clients import Clients
from facility.tokens import claims, metadata, requests, wire
from facility.tokens.claims import Claims, Expected
from facility.tokens.metadata import Metadata
from facility.tokens.requests import Client, ClientRefusedError, Grant
from facility.tokens.scopes import Scope
from facility.tokens.wire import Request, Response, UnavailableError
from facility.vo import VirtualOrganization

T = TypeVar("T")
CONNECT, TOTAL = 5.0, 10.0  # seconds for one request
LARGEST = 1 << 20  # bytes of an answer
METADATA_KEEP = 3600.0
KEYS_KEEP, KEYS_EXPIRE = 6 * 3600.0, 2 * 86400.0  # WLCG profile: refresh after 6 h, expiry after 2 d
KEYS_PAUSE = 10.0  # seconds between two looks for an unknown key
AWAY_PAUSE = 5.0  # seconds for which an issuer that could not be reached is left alone


class Transport:
    """HTTPS to issuers. `trust` gives the TLS context to use now; answers are limited in time and size.

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
                return Response(answer.status, await _body(answer))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{request.url}: {type(error).__name__}") from None


class Issuer:
    """One VO's issuer, with its metadata and keys kept for a while. `now` gives seconds since the epoch."""

    def __init__(self, url: str, transport: Transport, clients: Clients, now: Callable[[], float]) -> None:
        self.url = url
        self._transport = transport
        self._clients = clients
        self._now = now
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: list[dict[str, Any]] = []
        self._keys_read = float("-inf")
        self._away_until = float("-inf")

    async def refresh(
        self, vo: VirtualOrganization, refresh_token: str, audience: str, scopes: tuple[Scope, ...]
    ) -> Grant:
        """An unchecked grant from a refresh token. Raises the errors of `requests.refresh`."""
        return await self._as_client(vo, lambda m, c: requests.refresh(m, c, refresh_token, audience, scopes))

    async def client_credentials(self, vo: VirtualOrganization, audience: str, scopes: tuple[Scope, ...]) -> Grant:
        """An unchecked grant of the client itself. Raises the errors of `requests.client_credentials`."""
        return await self._as_client(vo, lambda m, c: requests.client_credentials(m, c, audience, scopes))

    async def revoke(self, vo: VirtualOrganization, refresh_token: str) -> bool:
        """Whether the issuer has revoked the refresh token. Raises UnavailableError, ClientRefusedError."""
        return await self._as_client(vo, lambda m, c: requests.revoke(m, c, refresh_token))

    async def userinfo(self, access_token: str) -> dict[str, Any]:
        """The claims of userinfo, {} when the issuer has none. Raises ClaimsError, UnavailableError."""
        body = await self._drive(requests.userinfo(await self._current_metadata(), access_token))
        if not body.lstrip().startswith(b"{"):
            return await self._verified(body.decode("ascii", "replace").strip())
        return wire.read_object(Response(200, body), "userinfo endpoint")

    async def identity(self, id_token: str | None) -> dict[str, Any]:
        """The claims of an ID token, {} when there is none. Raises ClaimsError, UnavailableError."""
        found = await self._verified(id_token) if id_token else {}
        if found and not claims.same_issuer(str(found.get("iss")), self.url):
            raise claims.ClaimsError("claim iss of the ID token is another's")
        return found

    async def check(self, access_token: str, expected: Expected) -> Claims:
        """The claims of a token that is what was asked for. Raises ClaimsError, UnavailableError."""
        found = claims.read(await self._verified(access_token))
        claims.check(found, expected, self._now())
        return found

    async def _as_client(
        self, vo: VirtualOrganization, flow: Callable[[Metadata, Client], Generator[Request, Response, T]]
    ) -> T:
        """Runs a flow with the VO's client; once more when it is refused and its Secret has changed meanwhile."""
        secret = vo.spec.client_secret.name
        document = await self._current_metadata()
        client = await self._clients.get(secret)
        try:
            return await self._drive(flow(document, client))
        except ClientRefusedError:
            newer = await self._clients.get(secret, fresh=True)
            if newer == client:
                raise
            return await self._drive(flow(document, newer))

    async def _verified(self, token: str) -> dict[str, Any]:
        if self._now() >= self._keys_read + KEYS_KEEP:
            await self._renew_keys()
        try:
            return keys.verified(token, self._keys)
        except keys.UnknownKeyError as error:
            if self._now() < self._keys_read + KEYS_PAUSE:
                raise claims.ClaimsError(str(error)) from None
        await self._read_keys()
        try:
            return keys.verified(token, self._keys)
        except keys.UnknownKeyError as error:
            raise claims.ClaimsError(str(error)) from None

    async def _renew_keys(self) -> None:
        """Reads the keys anew; when that fails, those at hand serve until they expire."""
        try:
            await self._read_keys()
        except UnavailableError:
            if self._now() >= self._keys_read + KEYS_EXPIRE:
                raise

    async def _read_keys(self) -> None:
        self._keys = await self._drive(metadata.fetch_keys(await self._current_metadata()))
        self._keys_read = self._now()

    async def _current_metadata(self) -> Metadata:
        if self._metadata is not None and self._now() < self._metadata[1] + METADATA_KEEP:
            return self._metadata[0]
        try:
            document = await self._drive(metadata.fetch(self.url))
        except UnavailableError:
            if self._metadata is None:
                raise
            return self._metadata[0]
        self._metadata = (document, self._now())
        return document

    async def _drive(self, flow: Generator[Request, Response, T]) -> T:
        try:
            request = next(flow)
            while True:
                request = flow.send(await self._send(request))
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _send(self, request: Request) -> Response:
        if self._now() < self._away_until:
            raise UnavailableError(f"{self.url} could not be reached a moment ago")
        try:
            return await self._transport.send(request)
        except UnavailableError:
            self._away_until = self._now() + AWAY_PAUSE
            raise


class Issuers:
    """The issuers of all VOs."""

    def __init__(self, transport: Transport, clients: Clients, now: Callable[[], float]) -> None:
        self._transport = transport
        self._clients = clients
        self._now = now
        self._known: dict[str, Issuer] = {}

    def of(self, vo: VirtualOrganization) -> Issuer:
        """The VO's issuer."""
        issuer = self._known.get(vo.name)
        if issuer is None or issuer.url != vo.spec.issuer:
            issuer = self._known[vo.name] = Issuer(vo.spec.issuer, self._transport, self._clients, self._now)
        return issuer

    async def client(self, vo: VirtualOrganization) -> str:
        """The client_id of the facility at the VO's issuer. Raises ClientRefusedError, UnavailableError."""
        return (await self._clients.get(vo.spec.client_secret.name)).identifier

    def forget(self, vo: str) -> None:
        """Drops what is known of a VO's issuer."""
        self._known.pop(vo, None)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise UnavailableError(f"{answer.url.host} answers more than {LARGEST} bytes")
    return bytes(body)
