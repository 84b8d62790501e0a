"""What step 1 hands to step 2. Pure, so that judging needs no connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from facility.operator.objects import Manifest


@dataclass(frozen=True)
class Issuer:
    """What an issuer publishes (OpenID Connect Discovery 1.0, RFC 8414; keys: RFC 7517).

    issuer: as its own document names it; keys: how many of its keys may sign tokens; error: why it could not be
    read; seen: whether it has answered well before.
    """

    issuer: str = ""
    keys: int = 0
    error: str = ""
    seen: bool = False


@dataclass(frozen=True)
class Facts:
    """What was found. `clients` holds, by Secret name, the keys that have a value; a missing Secret is not in it."""

    vos: tuple[Manifest, ...] = ()
    users: tuple[Manifest, ...] = ()
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    clients: Mapping[str, frozenset[str]] = field(default_factory=dict)


def issuer_of(vo: Manifest) -> str:
    """The issuer of an object that may be wrong in every way; empty when there is none to ask."""
    issuer = (vo.get("spec") or {}).get("issuer")
    return issuer if isinstance(issuer, str) and issuer.startswith("https://") else ""


def client_of(vo: Manifest) -> str:
    """The name of the client Secret of an object that may be wrong in every way, or an empty string."""
    named = ((vo.get("spec") or {}).get("clientSecret") or {}).get("name")
    return named if isinstance(named, str) and "/" not in named else ""
