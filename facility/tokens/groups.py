"""Who a VO lets in by the groups that its issuer asserts (WLCG profile, claim `wlcg.groups`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

#: claim and scope (WLCG profile)
NAME = "wlcg.groups"


def admitted(groups: Collection[str], allowed: Collection[str]) -> bool:
    """Whether a person in `groups` may work where `allowed` may; nobody is kept out where nothing is listed.

    Only asserted groups count, character by character: /cms/analysis implies no /cms, nor the other way round, and
    case matters.
    """
    return not allowed or not set(allowed).isdisjoint(groups)


def asserted(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The groups in the claims of a token or of userinfo, in the issuer's order; none when the claim is no list."""
    value = claims.get(NAME)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def scope(name: str) -> bool:
    """Whether a scope asks for groups: `wlcg.groups`, or `wlcg.groups:/cms/analysis` for an optional one."""
    return name == NAME or name.startswith(f"{NAME}:")
