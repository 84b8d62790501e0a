"""For tests and the demo: signing keys, the content of an issuer's Secrets, and tokens of every kind, bad ones too.

Pure but for the random numbers: everything is returned, nothing is written anywhere.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import yaml
from joserfc.jwk import RSAKey

from facility.dev.issuer.claims import ANY
from facility.dev.issuer.keys import Key, read_key, sign
from facility.dev.issuer.settings import Client, Person, Settings


def signing_key() -> str:
    """A new RSA private key of 2048 bits, PEM."""
    return RSAKey.generate_key(2048, private=True).as_pem(private=True).decode()


def public_keys(keys: Mapping[str, str]) -> dict[str, Any]:
    """The key set (RFC 7517) of PEM private keys by their key ids."""
    return {"keys": [{**_parsed(pem, kid).as_dict(private=False), "kid": kid} for kid, pem in keys.items()]}


def keys_secret(keys: Mapping[str, str]) -> dict[str, str]:
    """`stringData` of the Secret mounted at the key directory; the last by name signs."""
    return {f"{kid}.pem": pem for kid, pem in keys.items()}


def people_secret(people: Iterable[Person]) -> dict[str, str]:
    """`stringData` of the Secret with the accounts and their passwords."""
    return {"people.yaml": _yaml([p.model_dump(mode="json") for p in people])}


def clients_secret(clients: Iterable[Client]) -> dict[str, str]:
    """`stringData` of the Secret with the registered clients and their secrets."""
    return {"clients.yaml": _yaml([c.model_dump(mode="json") for c in clients])}


def client_secret(client: Client) -> dict[str, str]:
    """`stringData` of the Secret that a VirtualOrganization's `clientSecret` names."""
    return {"client_id": client.client_id, "client_secret": client.client_secret or ""}


def settings_text(settings: Settings) -> str:
    """`issuer.yaml`."""
    return _yaml(settings.model_dump(mode="json"))


def token(
    key: str,
    kid: str,
    issuer: str,
    *,
    sub: str = "nobody",
    audience: str | list[str] = ANY,
    scope: str = "",
    life: float = 600,
    now: float | None = None,
    **claims: Any,
) -> str:
    """An access token of the WLCG profile, signed with any PEM key under any key id.

    `life` is in seconds; below zero the token has expired already. Further claims are added or replace the usual
    ones; one that is None is left out. Signed with another key than the issuer publishes under `kid`, it is a forgery.
    """
    issued = int(time.time() if now is None else now) - (1 if life >= 0 else 3600)
    usual = {
        "wlcg.ver": "1.0",
        "sub": sub,
        "aud": audience,
        "iss": issuer,
        "nbf": issued,
        "iat": issued,
        "exp": int((time.time() if now is None else now) + life),
        "jti": str(uuid.uuid4()),
        "scope": scope or None,
    }
    content = {name: value for name, value in (usual | claims).items() if value is not None}
    return sign(content, _parsed(key, kid), kid)


@lru_cache(maxsize=16)
def _parsed(pem: str, kid: str) -> Key:
    # reading an RSA key checks its primes, which takes as long as signing a hundred tokens
    return read_key(pem.encode(), kid)


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
