"""The claims of tokens and of userinfo, profile `wlcg`, in the form a real INDIGO IAM gives them: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from facility.dev.issuer.settings import Person, Settings

ANY = "https://wlcg.cern.ch/jwt/v1/any"


@dataclass(frozen=True)
class Wish:
    """What a token is asked to be; times are seconds since the epoch."""

    client_id: str
    scopes: tuple[str, ...]
    now: int
    jti: str
    person: Person | None = None
    audience: tuple[str, ...] = ()
    act: dict[str, Any] | None = None
    nonce: str | None = field(default=None, repr=False)
    kid: str = ""


def groups(person: Person, scopes: Sequence[str]) -> list[str] | None:
    """`wlcg.groups`: the ones asked for by name first, then the default ones; None when none were asked for.

    Within each part the order is by bytes, and optional groups come only by name (WLCG profile, section 3.3).
    """
    if not any(s == "wlcg.groups" or s.startswith("wlcg.groups:") for s in scopes):
        return None
    asked = {s.partition(":")[2] for s in scopes if s.startswith("wlcg.groups:")}
    mine = {*person.groups, *person.optional_groups}
    first = [] if "wlcg.groups" in scopes else sorted(asked & mine)
    return first + sorted(set(person.groups) - set(first))


def access_token(settings: Settings, wish: Wish) -> dict[str, Any]:
    """Claims of an access token; `iss` stands exactly as configured, `aud` is "any" when none was asked for."""
    audience = wish.audience or (ANY,)
    claims: dict[str, Any] = {
        "wlcg.ver": "1.0",
        "sub": wish.person.sub if wish.person else wish.client_id,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "nbf": wish.now,
        "iss": settings.issuer,
        "exp": wish.now + settings.lifetimes.access_token,
        "iat": wish.now,
        "jti": wish.jti,
        "client_id": wish.client_id,
    }
    if wish.scopes:
        claims["scope"] = " ".join(wish.scopes)
    if wish.person and (mine := groups(wish.person, wish.scopes)) is not None:
        claims["wlcg.groups"] = mine
    return claims | ({"act": wish.act} if wish.act else {})


def id_token(settings: Settings, wish: Wish, person: Person) -> dict[str, Any]:
    """Claims of an ID token; its `iss` always ends in a slash, as discovery's does."""
    claims: dict[str, Any] = {
        "sub": person.sub,
        "amr": ["pwd"],
        "kid": wish.kid,
        "iss": with_slash(settings.issuer),
        "wlcg.ver": "1.0",
        "aud": wish.client_id,
        "exp": wish.now + settings.lifetimes.id_token,
        "iat": wish.now,
        "jti": wish.jti,
    }
    if "profile" in wish.scopes:
        claims |= {"preferred_username": person.username, "name": person.name}
        claims["organisation_name"] = settings.organisation
    if wish.nonce:
        claims["nonce"] = wish.nonce
    if (mine := groups(person, wish.scopes)) is not None:
        claims["wlcg.groups"] = mine
    return claims


def userinfo(person: Person, scopes: Sequence[str], updated: int) -> dict[str, Any]:
    """The userinfo answer: without the scope `profile` it is `sub` alone, groups included only beside it."""
    if "profile" not in scopes:
        return {"sub": person.sub}
    answer: dict[str, Any] = {
        "sub": person.sub,
        "name": person.name,
        "nickname": person.username,
        "preferred_username": person.username,
        "given_name": person.given_name,
        "family_name": person.family_name,
        "updated_at": updated,
        "email": person.email,
        "email_verified": True,
        "scope": list(scopes),
    }
    mine = groups(person, scopes)
    return answer | ({"wlcg.groups": mine} if mine is not None else {})


def with_slash(issuer: str) -> str:
    """The issuer as discovery and ID tokens show it."""
    return issuer.rstrip("/") + "/"
