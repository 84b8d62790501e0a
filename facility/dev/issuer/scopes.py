"""Which scopes a client, a person and an earlier grant allow: pure rules, as INDIGO IAM applies them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from facility.dev.issuer.settings import Client, Person, Settings

#: capabilities whose scope carries a path (WLCG profile, "capabilities")
PATHS = ("storage.read", "storage.create", "storage.modify", "storage.stage", "storage.write", "storage.poll")
_GROUP = re.compile(r"wlcg\.groups(:(/[a-zA-Z0-9][a-zA-Z0-9_.-]*)+)?")


class RelativePathError(ValueError):
    """A scope whose path climbs; IAM answers it with an internal error."""


def split(text: str | None) -> tuple[str, ...]:
    """A space separated parameter as words, each once."""
    return tuple(dict.fromkeys((text or "").split()))


def covers(held: str, asked: str, system: Collection[str]) -> bool:
    """Whether a held scope lets `asked` through: the same words, or, for a system scope, a path below its path.

    Raises:
        RelativePathError: the path of `asked` has a part `..` or `.`.
    """
    if held == asked:
        return True
    if held == "wlcg.groups":
        return _GROUP.fullmatch(asked) is not None
    return held in system and _below(held, asked)


def _below(held: str, asked: str) -> bool:
    kind, colon, path = asked.partition(":")
    base_kind, _, base = held.partition(":")
    if kind != base_kind or kind not in PATHS or not colon or not path.startswith("/"):
        return False
    if any(part in (".", "..") for part in path.split("/")):
        raise RelativePathError(asked)
    return path == base or path.startswith(base.rstrip("/") + "/")


def refused(asked: Iterable[str], held: Collection[str], system: Collection[str]) -> str | None:
    """The first scope that none of `held` covers, or None. Raises RelativePathError."""
    return next((one for one in asked if not any(covers(h, one, system) for h in held)), None)


def refused_to_client(asked: Iterable[str], client: Client, settings: Settings) -> str | None:
    """The first scope that the client may not have, or None. Raises RelativePathError."""
    return refused(asked, client.scopes, settings.system_scopes)


def permitted(scopes: Iterable[str], person: Person, settings: Settings) -> tuple[str, ...]:
    """The scopes without those that the scope policies deny this person: they vanish without an error."""
    groups = (*person.groups, *person.optional_groups)
    allowed = [scope for group in groups for scope in settings.group_scopes.get(group, ())]
    return tuple(
        s for s in scopes if not s.startswith(settings.restricted) or any(a == s or _below(a, s) for a in allowed)
    )
