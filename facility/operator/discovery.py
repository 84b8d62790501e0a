"""Asks issuers what they publish: discovery document and keys, over verified TLS, all at once, none for long."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import aiohttp

from facility.operator.facts import Issuer

_LARGEST = 1 << 20  # bytes of a document
_SIGNING = ("RSA", "EC")


class _UnfitError(Exception):
    """The issuer answered, but not with what was asked for."""


class Discovery:
    """Remembers good answers for `fresh` seconds and bad ones for `retry`, so that no issuer is asked too often.

    An issuer that answers slowly holds up the others for `limit` seconds at most.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        now: Callable[[], float],
        fresh: float = 60,
        retry: float = 15,
        limit: float = 5,
    ) -> None:
        self._context = context
        self._now = now
        self._fresh, self._retry = fresh, retry
        self._limit = aiohttp.ClientTimeout(total=limit)
        self._known: dict[str, tuple[float, Issuer]] = {}

    def trust(self, context: ssl.SSLContext) -> None:
        """Use another bundle of certificate authorities from now on."""
        self._context = context

    async def look(self, issuers: Collection[str]) -> dict[str, Issuer]:
        """What each issuer publishes, or why that cannot be said."""
        self._known = {url: known for url, known in self._known.items() if url in issuers}
        due = sorted(url for url in issuers if self._due(url))
        if due:
            connector = aiohttp.TCPConnector(ssl=self._context)
            async with aiohttp.ClientSession(timeout=self._limit, connector=connector) as session:
                found = await asyncio.gather(*(_ask(session, url) for url in due))
            for url, issuer in zip(due, found, strict=True):
                self._remember(url, issuer)
        return {url: issuer for url, (_, issuer) in self._known.items()}

    def _due(self, url: str) -> bool:
        asked, issuer = self._known.get(url, (float("-inf"), Issuer()))
        return self._now() - asked >= (self._retry if issuer.error else self._fresh)

    def _remember(self, url: str, issuer: Issuer) -> None:
        before = self._known[url][1].seen if url in self._known else False
        self._known[url] = (self._now(), replace(issuer, seen=before or issuer.keys > 0))


async def _ask(session: aiohttp.ClientSession, url: str) -> Issuer:
    try:
        document = await _document(session, f"{url.rstrip('/')}/.well-known/openid-configuration")
        named, jwks = document.get("issuer"), document.get("jwks_uri")
        if not isinstance(named, str) or not isinstance(jwks, str) or not jwks.startswith("https://"):
            return Issuer(error="its discovery document lacks an issuer or an https jwks_uri")
        keys = (await _document(session, jwks)).get("keys")
        return Issuer(issuer=named, keys=_signing(keys))
    except _UnfitError as error:
        return Issuer(error=str(error))
    except TimeoutError:
        return Issuer(error=f"no answer within {session.timeout.total:g} s")
    except aiohttp.ClientConnectorCertificateError as error:
        return Issuer(error=f"its TLS certificate is not accepted ({error.certificate_error})")
    except (aiohttp.ClientError, OSError, ValueError) as error:  # the last for names that no resolver takes
        return Issuer(error=f"{type(error).__name__}: {error}")


async def _document(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """A JSON object. Redirects are not followed: an issuer publishes under its own name."""
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise _UnfitError(f"{url} answered {response.status} {response.reason}")
        body = await response.content.read(_LARGEST)
        while len(body) < _LARGEST and (more := await response.content.read(_LARGEST - len(body))):
            body += more
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # the second for documents that are nothing but brackets
        raise _UnfitError(f"{url} did not answer with JSON") from None
    if not isinstance(document, dict):
        raise _UnfitError(f"{url} did not answer with a JSON object")
    return document


def _signing(keys: object) -> int:
    """How many keys may sign tokens: RSA and EC ones, not those set aside for encryption."""
    if not isinstance(keys, list):
        return 0
    usable = [key for key in keys if isinstance(key, dict) and key.get("kty") in _SIGNING]
    return sum(key.get("use", "sig") == "sig" for key in usable)
