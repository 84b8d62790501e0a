"""HashiCorp Vault's HTTP API as the broker needs it: a sign-in with the pod's own identity, JSON in, JSON out.

https://developer.hashicorp.com/vault/api-docs: auth/kubernetes (login), auth/token (renew-self, revoke-self). The token
that Vault gives is renewed when a third of its life is left; when Vault will not renew it, or has forgotten it, the pod
signs in anew with its projected ServiceAccount token, which is read from its file each time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any

import aiohttp

from facility.broker.store import StoreError
from facility.site import Vault

log = logging.getLogger(__name__)
TOTAL, CONNECT = 10.0, 3.0  # seconds
LARGEST = 4 << 20  # bytes of an answer
YOUNG = 10.0  # seconds for which a token that is refused has not been forgotten: the role may not do this
RENEW = 1 / 3  # of its life that a token has left when it is renewed


class VaultError(StoreError):
    """Vault refused, or gave no answer; `status` is HTTP's, 0 without one. The text quotes nothing of the answer."""

    def __init__(self, method: str, path: str, status: int) -> None:
        super().__init__(f"vault: {method} {path}: {status or 'no answer'}")
        self.status = status


@dataclass(frozen=True)
class _Token:
    """By the client's clock: when it was `made`, when it should be renewed, when it is `over`."""

    value: str = field(repr=False)
    renewable: bool
    made: float
    renew: float
    over: float


class VaultClient:
    """One Vault. `identity`: the file of the pod's own token; `now` gives seconds of a clock that never jumps."""

    def __init__(
        self,
        vault: Vault,
        identity: Path,
        trust: Callable[[], SSLContext],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault, self._identity, self._trust, self._now = vault, identity, trust, now
        self._token: _Token | None = None
        self._signing_in = asyncio.Lock()
        limits = aiohttp.ClientTimeout(total=TOTAL, sock_connect=CONNECT)
        self._http = aiohttp.ClientSession(timeout=limits, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Ends the token, if Vault is there, and the connections. Never raises."""
        try:
            if self._token is not None:
                await self._send("POST", "auth/token/revoke-self", {}, self._token.value)
        except VaultError as error:
            log.info("the token ends by itself: %s", error)
        finally:
            await self._http.close()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer's JSON, {} when it has none. Raises VaultError, StoreError (no identity)."""
        token = await self._current()
        try:
            return await self._send(method, path, body, token.value)
        except VaultError as error:
            if error.status != 403 or self._now() < token.made + YOUNG:
                raise
        if token is self._token:
            self._token = None  # Vault may have forgotten it: restored from a backup, or an administrator revoked it
        return await self._send(method, path, body, (await self._current()).value)

    async def _current(self) -> _Token:
        async with self._signing_in:
            token, now = self._token, self._now()
            if token is None or now >= token.over:
                token = await self._sign_in()
            elif now >= token.renew:
                token = await self._renewed(token)
            self._token = token
            return token

    async def _renewed(self, token: _Token) -> _Token:
        try:
            if token.renewable:
                return self._read(await self._send("POST", "auth/token/renew-self", {}, token.value))
        except VaultError as error:
            log.info("Vault renews the token no more, so the broker signs in anew: %s", error)
        return await self._sign_in()

    async def _sign_in(self) -> _Token:
        try:
            identity = self._identity.read_text().strip()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise StoreError(f"vault: {self._identity} cannot be read: {why}; see broker.vault.audience") from None
        body = {"role": self._vault.role, "jwt": identity}
        return self._read(await self._send("POST", f"auth/{self._vault.auth_mount}/login", body, None))

    def _read(self, answer: dict[str, Any]) -> _Token:
        auth = answer.get("auth") or {}
        value, life = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(value, str) or not isinstance(life, int | float):
            raise StoreError("vault: its answer to a sign-in holds no token")
        now = self._now()
        over = now + life if life else float("inf")  # 0: it never ends
        return _Token(value, bool(auth.get("renewable")), now, now + life * (1 - RENEW) if life else over, over)

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, token: str | None) -> dict[str, Any]:
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token
        if self._vault.namespace:
            headers["X-Vault-Namespace"] = self._vault.namespace
        try:
            async with self._http.request(
                method,
                f"{self._vault.url}/v1/{path}",
                json=body,
                headers=headers,
                ssl=self._trust(),
                allow_redirects=False,  # a token would go along
            ) as answer:
                return _json(method, path, answer.status, await answer.content.read(LARGEST))
        except (TimeoutError, aiohttp.ClientError, OSError):
            raise VaultError(method, path, 0) from None


def _json(method: str, path: str, status: int, body: bytes) -> dict[str, Any]:
    if status not in (200, 204):
        raise VaultError(method, path, status)
    try:
        found = json.loads(body) if body else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise VaultError(method, path, 0)
    return found
