"""Who a VO lets in by the groups that its issuer asserts (WLCG profile, claim `wlcg.groups`)."""

from __future__ import annotations

from collections.abc import Collection


def admitted(groups: Collection[str], allowed: Collection[str]) -> bool:
    """Whether a person in `groups` may work where `allowed` may; nobody is kept out where nothing is listed.

    Only asserted groups count, character by character: /cms/analysis implies no /cms, nor the other way round, and
    case matters.
    """
    return not allowed or not set(allowed).isdisjoint(groups)
