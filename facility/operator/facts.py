"""What step 1 hands to step 2. Pure, so that judging needs no connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """What was found.

    secrets: by name, the keys that have a value; a missing Secret is not in it. hosts: by host name of VOs'
    network lists, its addresses, sorted; none while it has never been resolved. datasets: CachedDataset objects.
    """

    vos: tuple[Manifest, ...] = ()
    users: tuple[Manifest, ...] = ()
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    secrets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    datasets: tuple[Manifest, ...] = ()


def issuer_of(vo: Manifest) -> str:
    """The issuer of an object that may be wrong in every way; empty when there is none to ask."""
    issuer = _dictionary(vo.get("spec")).get("issuer")
    return issuer if isinstance(issuer, str) and issuer.startswith("https://") else ""


def hosts_of(vo: Manifest) -> frozenset[str]:
    """The host names in the network list of an object that may be wrong in every way."""
    allowed = _dictionary(_dictionary(vo.get("spec")).get("network")).get("allow")
    found = (_dictionary(one).get("host") for one in (allowed if isinstance(allowed, list) else ()))
    return frozenset(host for host in found if isinstance(host, str) and host)


def prefixes_of(vo: Manifest) -> frozenset[str]:
    """The lake prefixes of an object that may be wrong in every way."""
    lakes = _dictionary(vo.get("spec")).get("lakes")
    found = (_dictionary(one).get("prefix") for one in (lakes if isinstance(lakes, list) else ()))
    return frozenset(prefix for prefix in found if isinstance(prefix, str) and prefix)


def secrets_of(vo: Manifest) -> frozenset[str]:
    """The names of the Secrets that an object names, which may be wrong in every way."""
    spec = _dictionary(vo.get("spec"))
    within = (_dictionary(spec.get("tokens")).get("exchangeClient"), _dictionary(spec.get("cache")).get("robot"))
    references = (spec.get("clientSecret"), *within)
    found = (_dictionary(one).get("name") for one in references)
    return frozenset(name for name in found if isinstance(name, str) and name and "/" not in name)


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
