"""Asks issuers what they publish: discovery document and keys, over verified TLS, none for long."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from typing import Any

import aiohttp

from facility.operator.facts import Issuer

_LARGEST = 1 << 20  # bytes of a document
_SIGNING = ("RSA", "EC")


class _UnfitError(Exception):
    """The issuer answered, but not with what was asked for."""


class Discovery:
    """Asks one issuer at a time, and gives up one that answers slowly after `limit` seconds.

    A good answer is for `fresh` seconds, a bad one for `retry`: no issuer is asked too often.
    """

    def __init__(self, context: ssl.SSLContext, fresh: float = 60, retry: float = 15, limit: float = 5) -> None:
        self._context = context
        self._fresh, self._retry = fresh, retry
        self._limit = aiohttp.ClientTimeout(total=limit)
        self._session: aiohttp.ClientSession | None = None

    async def trust(self, context: ssl.SSLContext) -> None:
        """Use another bundle of certificate authorities from now on."""
        self._context = context
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next question opens others."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def ask(self, url: str, before: Issuer | None = None) -> Issuer:
        """What an issuer publishes, or why that cannot be said. `before`: what it said the last time."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._context)
            self._session = aiohttp.ClientSession(timeout=self._limit, connector=connector)
        found = await _ask(self._session, url)
        return replace(found, seen=found.keys > 0 or (before is not None and before.seen))

    def life(self, issuer: Issuer) -> float:
        """Seconds for which an answer is good."""
        return self._retry if issuer.error else self._fresh


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
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
        # ValueError: names that no resolver takes; RuntimeError: closed meanwhile, as trust has changed
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
