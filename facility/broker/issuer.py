"""The only module that talks to issuers: token endpoints, their metadata, their keys.

What to say and how to understand the answer is in `facility.tokens`; here it is sent, and every access token is
checked against what was asked for, signature included, before it goes any further.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeVar

from facility.broker import keys
from facility.broker.clients import Clients
from facility.broker.line import Line
from facility.broker.transport import Transport
from facility.tokens import claims, metadata, requests, wire
from facility.tokens.claims import Claims, Expected
from facility.tokens.metadata import Metadata
from facility.tokens.requests import Client, ClientRefusedError, Grant
from facility.tokens.scopes import Scope
from facility.tokens.wire import Request, Response, UnavailableError
from facility.vo import VirtualOrganization

T = TypeVar("T")
#: called the moment before something is sent that only one process at a time may use; raises if this is not the one
Permit = Callable[[], None]
METADATA_KEEP = 3600.0
KEYS_KEEP, KEYS_EXPIRE = 6 * 3600.0, 2 * 86400.0  # WLCG profile: refresh after 6 h, expiry after 2 d
LEAST = 0.05  # part of an issuer's pace that every process may go at
KEYS_PAUSE = 10.0  # seconds between two looks for an unknown key


class Issuer:
    """One VO's issuer, with its metadata and keys kept for a while. `now` gives seconds since the epoch.

    Whoever asks it for something does so within their turn on its `line`.
    """

    def __init__(self, url: str, line: Line, clients: Clients, now: Callable[[], float]) -> None:
        self.url = url
        self.line = line
        self._clients = clients
        self._now = now
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: list[dict[str, Any]] = []
        self._keys_read = float("-inf")
        self._reading_metadata, self._reading_keys = asyncio.Lock(), asyncio.Lock()  # once, however many need them

    async def refresh(
        self,
        vo: VirtualOrganization,
        refresh_token: str,
        audience: str,
        scopes: tuple[Scope, ...],
        permit: Permit = lambda: None,
    ) -> Grant:
        """An unchecked grant from a refresh token. Raises the errors of `requests.refresh`, and those of `permit`."""
        flow = partial(requests.refresh, refresh_token=refresh_token, audience=audience, scopes=scopes)
        return await self._as_client(vo, flow, permit=permit)

    async def exchange(
        self, vo: VirtualOrganization, subject_token: str, audience: str, scopes: tuple[Scope, ...]
    ) -> Grant:
        """An unchecked grant from an access token. Raises the errors of `requests.exchange`."""
        flow = partial(requests.exchange, subject_token=subject_token, audience=audience, scopes=scopes)
        return await self._as_client(vo, flow, exchange_secret(vo))

    async def client_credentials(self, vo: VirtualOrganization, audience: str, scopes: tuple[Scope, ...]) -> Grant:
        """An unchecked grant of the client itself. Raises the errors of `requests.client_credentials`."""
        return await self._as_client(vo, lambda m, c: requests.client_credentials(m, c, audience, scopes))

    async def revoke(self, vo: VirtualOrganization, refresh_token: str) -> bool:
        """Whether the issuer has revoked the refresh token. Raises UnavailableError, ClientRefusedError."""
        return await self._as_client(vo, lambda m, c: requests.revoke(m, c, refresh_token))

    async def userinfo(self, access_token: str) -> dict[str, Any]:
        """The claims of userinfo, {} when the issuer has none. Raises ClaimsError, UnavailableError."""
        document = await self._current_metadata()
        body = await self._drive(requests.userinfo(document, access_token), further=True)
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
        self.line.lasting(found.expires - self._now())
        return found

    async def _as_client(
        self,
        vo: VirtualOrganization,
        flow: Callable[[Metadata, Client], Generator[Request, Response, T]],
        secret: str | None = None,
        permit: Permit = lambda: None,
    ) -> T:
        """Runs a flow with the VO's client; once more when it is refused and its Secret has changed meanwhile."""
        secret = secret or vo.spec.client_secret.name
        document = await self._current_metadata()
        client = await self._clients.get(secret)
        try:
            return await self._drive(flow(document, client), permit=permit)
        except ClientRefusedError:
            newer = await self._clients.get(secret, fresh=True)
            if newer == client:
                raise
            return await self._drive(flow(document, newer), further=True, permit=permit)

    async def _verified(self, token: str) -> dict[str, Any]:
        if self._now() >= self._keys_read + KEYS_KEEP:
            await self._renew_keys()
        read = self._keys_read
        try:
            return keys.verified(token, self._keys)
        except keys.UnknownKeyError as error:
            if self._now() < read + KEYS_PAUSE:
                raise claims.ClaimsError(str(error)) from None
        await self._read_keys(read)
        try:
            return keys.verified(token, self._keys)
        except keys.UnknownKeyError as error:
            raise claims.ClaimsError(str(error)) from None

    async def _renew_keys(self) -> None:
        """Reads the keys anew; when that fails, those at hand serve until they expire."""
        try:
            await self._read_keys(self._keys_read)
        except UnavailableError:
            if self._now() >= self._keys_read + KEYS_EXPIRE:
                raise

    async def _read_keys(self, known: float) -> None:
        """Reads the keys, unless that was done since they were `known`."""
        async with self._reading_keys:
            if self._keys_read == known:
                flow = metadata.fetch_keys(await self._current_metadata())
                self._keys = await self._drive(flow, further=True)
                self._keys_read = self._now()

    async def _current_metadata(self) -> Metadata:
        async with self._reading_metadata:
            if self._metadata is None or self._now() >= self._metadata[1] + METADATA_KEEP:
                await self._read_metadata()
            assert self._metadata is not None
            return self._metadata[0]

    async def _read_metadata(self) -> None:
        """Reads the metadata; when that fails, what was read before serves for as long as that takes."""
        try:
            document = await self._drive(metadata.fetch(self.url), further=True)
        except UnavailableError:
            if self._metadata is None:
                raise
        else:
            self._metadata = document, self._now()

    async def _drive(
        self, flow: Generator[Request, Response, T], further: bool = False, permit: Permit = lambda: None
    ) -> T:
        try:
            request = next(flow)
            while True:
                permit()
                request = flow.send(await self.line.send(request, further))
        except StopIteration as stop:
            result: T = stop.value
            return result


class Issuers:
    """The issuers of all VOs.

    `now` gives seconds since the epoch, `pulse` those of a clock that never jumps, `share` the part of an issuer's
    pace that this process may go at: several share it.
    """

    def __init__(
        self,
        transport: Transport,
        clients: Clients,
        now: Callable[[], float],
        pulse: Callable[[], float] = time.monotonic,
        share: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._transport = transport
        self._clients = clients
        self._now = now
        self._pulse = pulse
        self._share = share
        self._known: dict[str, Issuer] = {}

    def of(self, vo: VirtualOrganization) -> Issuer:
        """The VO's issuer."""
        rate = vo.spec.tokens.requests_per_second * max(self._share(), LEAST)
        issuer = self._known.get(vo.name)
        if issuer is None or issuer.url != vo.spec.issuer:
            self.forget(vo.name)
            line = Line(self._transport, rate, self._pulse)
            issuer = self._known[vo.name] = Issuer(vo.spec.issuer, line, self._clients, self._now)
        issuer.line.pace.at(rate)
        return issuer

    async def client(self, vo: VirtualOrganization, exchanging: bool = False) -> str:
        """The client_id of the facility at the VO's issuer. Raises ClientRefusedError, UnavailableError."""
        secret = exchange_secret(vo) if exchanging else vo.spec.client_secret.name
        return (await self._clients.get(secret)).identifier

    def forget(self, vo: str) -> None:
        """Drops what is known of a VO's issuer, and sends those away who wait for it."""
        if issuer := self._known.pop(vo, None):
            issuer.line.stop()

    def stop(self) -> None:
        """Sends all away who wait for their turn: the process ends."""
        for name in list(self._known):
            self.forget(name)


def exchange_secret(vo: VirtualOrganization) -> str:
    """The Secret of the client that exchanges tokens at the VO's issuer."""
    return (vo.spec.tokens.exchange_client or vo.spec.client_secret).name
