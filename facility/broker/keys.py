"""Signatures of tokens: the key that `kid` names, RS256 or ES256, nothing else (WLCG profile, RFC 7515)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import jwt

from facility.tokens.claims import ClaimsError, unverified

#: the only algorithm for each kind of key; a token's own `alg` must be the same
_ALGORITHM = {"RSA": "RS256", "EC": "ES256"}
#: what a header may say that the token is (RFC 9068 has at+jwt); INDIGO IAM says nothing
_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})


class UnknownKeyError(Exception):
    """By this key set the token is not good; by a newer one it may be. Issuers also give an old name to a new key."""


def verified(token: str, keys: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The claims of a token whose signature is right. Raises ClaimsError, UnknownKeyError."""
    header, _ = unverified(token)
    if str(header.get("typ", "")).lower() not in _TYPES or "crit" in header:
        raise ClaimsError("the token's header says that it is something else than an access token")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise ClaimsError("the token's header has no kid")
    if header.get("alg") not in _ALGORITHM.values():
        raise ClaimsError("the token is not signed with RS256 or ES256")
    key = _find(kid, keys)
    algorithm = _ALGORITHM.get(str(key.get("kty")))
    if algorithm is None or header.get("alg") != algorithm:
        raise UnknownKeyError("the token is not signed by a key of that kind")
    return _decode(token, key, algorithm)


def _find(kid: str, keys: Iterable[dict[str, Any]]) -> dict[str, Any]:
    for key in keys:
        if key.get("kid") == kid and key.get("use", "sig") == "sig":
            return key
    raise UnknownKeyError("the issuer's key set lacks the key that the token names")


def _decode(token: str, key: dict[str, Any], algorithm: str) -> dict[str, Any]:
    try:
        payload = jwt.PyJWS(algorithms=[algorithm]).decode(
            token, key=jwt.PyJWK.from_dict(key, algorithm=algorithm), algorithms=[algorithm]
        )
        claims = json.loads(payload)
    except (jwt.PyJWTError, ValueError, TypeError):
        claims = None  # the cause is not chained: its text may hold bytes of the token
    if not isinstance(claims, dict):
        raise UnknownKeyError("the token's signature is wrong")
    return claims
