"""What a token says, and whether that is what was asked for.

An issuer may answer a good request with the wrong token: another audience, wider scopes, another person. Whoever asks
for a token looks at it with `check` before anybody else gets it (WLCG profile: clients verify what came back).
Signatures are not checked here; `unverified` only takes a token apart.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any

from facility.tokens import groups, scopes
from facility.tokens.scopes import Scope

#: the audience that every relying party accepts
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
#: seconds by which the issuer's clock may be ahead of ours
SKEW = 60
#: longest access token: agents keep no longer one, and HTCondor reads none
LARGEST = 16384
_END_OF_TIME = 1e11  # JSON has numbers that no calendar has, and Python's reads infinity and "not a number" as well


class ClaimsError(ValueError):
    """A token that is not what was asked for. The text names the claim, never the token."""


class NothingGrantedError(ClaimsError):
    """A token without any scope: the issuer's policy gives this person none of those asked for."""


@dataclass(frozen=True)
class Expected:
    """What a token has to say.

    `audience`: one, or several with spaces between, each of which has to be there.
    `subject` None: not looked at (client credentials name the client as they like). `client`: to whom the token is
    given, if it says so at all; None: not looked at.
    """

    issuer: str
    audience: str
    scopes: tuple[Scope, ...]
    subject: str | None = None
    client: str | None = None


@dataclass(frozen=True)
class Claims:
    """The claims that matter here; times in seconds since the epoch."""

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    scopes: tuple[Scope, ...]
    expires: float
    not_before: float = 0.0
    version: str = field(default="1.0")
    groups: tuple[str, ...] = ()
    client: str | None = None


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT in compact form, 16 KiB at most. Raises ClaimsError when it is none."""
    parts = token.split(".") if len(token) <= LARGEST else ()
    if len(parts) != 3:
        raise ClaimsError("the token is not a JWT")
    return _segment(parts[0]), _segment(parts[1])


def read(claims: dict[str, Any]) -> Claims:
    """The claims with their types checked. Raises ClaimsError."""
    audience = claims.get("aud")
    audiences = (audience,) if isinstance(audience, str) else audience
    if not isinstance(audiences, list | tuple) or not all(isinstance(one, str) for one in audiences):
        raise ClaimsError("claim aud is missing or neither a string nor an array of strings")
    return Claims(
        issuer=_text(claims, "iss"),
        subject=_text(claims, "sub"),
        audiences=tuple(audiences),
        scopes=_scopes(claims.get("scope", "")),
        expires=_time(claims, "exp"),
        not_before=_time(claims, "nbf") if "nbf" in claims else 0.0,
        version=_text(claims, "wlcg.ver") if "wlcg.ver" in claims else "1.0",
        groups=groups.asserted(claims),
        client=_text(claims, "client_id") if "client_id" in claims else None,
    )


def check(claims: Claims, expected: Expected, now: float) -> None:
    """Raises ClaimsError unless the token is exactly what was asked for, or narrower, and good for use `now`."""
    if not same_issuer(claims.issuer, expected.issuer):
        raise ClaimsError(f"claim iss is {claims.issuer[:255]!r}, expected {expected.issuer!r}")
    if expected.subject is not None and claims.subject != expected.subject:
        raise ClaimsError("claim sub names somebody else")
    if None not in (claims.client, expected.client) and claims.client != expected.client:
        raise ClaimsError("claim client_id names another client")
    _check_audience(claims.audiences, expected.audience)
    if wider := scopes.beyond(claims.scopes, expected.scopes):
        raise ClaimsError(f"claim scope has {scopes.text(wider)[:255]!r}, which was not asked for")
    if not claims.scopes:
        raise NothingGrantedError("claim scope is missing or empty")
    _check_times(claims, now)


def same_issuer(one: str, other: str) -> bool:
    """Whether two issuers are the same string, or differ by one trailing slash (INDIGO IAM writes both)."""
    return one == other or one == other + "/" or one + "/" == other


def _check_audience(audiences: tuple[str, ...], expected: str) -> None:
    wanted = expected.split()
    everywhere = ANY_AUDIENCE in audiences and ANY_AUDIENCE not in wanted
    if not wanted or not set(wanted) <= set(audiences) or everywhere:
        raise ClaimsError(f"claim aud is {' '.join(audiences)[:255]!r}, expected {expected!r}")


def _check_times(claims: Claims, now: float) -> None:
    if claims.expires <= now:
        raise ClaimsError(f"claim exp: the token expired {now - claims.expires:.0f} s ago")
    if claims.not_before > now + SKEW:
        raise ClaimsError("claim nbf: the token is not valid yet")
    if claims.version.partition(".")[0] != "1":
        raise ClaimsError(f"claim wlcg.ver is {claims.version[:16]!r}, this facility knows 1.x")


def _segment(text: str) -> dict[str, Any]:
    try:
        value = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        value = None  # the cause is not chained: its text may hold bytes of the token
    if not isinstance(value, dict):
        raise ClaimsError("the token is not a JWT")
    return value


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise ClaimsError(f"claim {name} is missing or not a string")
    return value


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        raise ClaimsError(f"claim {name} is missing or no time")
    return float(value)


def _scopes(value: Any) -> tuple[Scope, ...]:
    if not isinstance(value, str):
        raise ClaimsError("claim scope is not a string")
    try:
        return scopes.parse_all(value)
    except scopes.ScopeError as error:
        raise ClaimsError(f"claim scope: {str(error)[:255]}") from None
