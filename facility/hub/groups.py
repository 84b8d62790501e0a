"""The hub's groups of a person: each `wlcg.groups` path with its VO's name before it, and one of all the VO's people.

The name of the VO is the facility's own, never the issuer's word: whatever an issuer asserts stays within its VO.
"""

from __future__ import annotations

from collections.abc import Collection

from facility import names

_LONGEST = 255  # characters of a group's name in JupyterHub's database


def of_person(vo: str, paths: Collection[str]) -> list[str]:
    """Names of the hub's groups of a person of that VO, sorted.

    What no database and no page could hold (unprintable, too long) is left out; who may come in is decided on the
    paths themselves.
    """
    named = {names.group(vo, path) for path in paths if path.isprintable()}
    return sorted({everybody(vo)} | {name for name in named if len(name) <= _LONGEST})


def everybody(vo: str) -> str:
    """The hub's group of all people of a VO: what the VO's admins have rights on."""
    return names.group(vo, "")


def paths(vo: str, groups: Collection[str]) -> list[str]:
    """The paths in the hub's groups of a person, as the VO's issuer asserts them; sorted."""
    prefix = everybody(vo)
    return sorted(one.removeprefix(prefix) for one in groups if one.startswith(prefix) and one != prefix)
