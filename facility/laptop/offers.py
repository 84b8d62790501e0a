"""What the hub tells people's machines of its VOs: `/hub/facility/vos.json`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from facility.laptop.errors import LaptopError
from facility.laptop.web import Web
from facility.tokens.wire import Request, read_object

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")  # part of a file's name


@dataclass(frozen=True)
class Named:
    """A token that a person of the VO uses: its name, audience, and all scopes that it may have."""

    name: str
    audience: str
    scope: str


@dataclass(frozen=True)
class Offer:
    """A VO that `facility login` works for. `lakes` and `batch` as in the document.

    `trust`: PEM of the authorities of its caches and access points, besides those that the machine trusts anyway.
    """

    vo: str
    title: str
    issuer: str
    client: str
    scopes: tuple[str, ...]
    tokens: tuple[Named, ...]
    lakes: tuple[Mapping[str, str], ...]
    batch: Mapping[str, str]
    trust: str = ""

    def document(self) -> dict[str, Any]:
        """As it was told."""
        return {
            "title": self.title,
            "issuer": self.issuer,
            "client_id": self.client,
            "scopes": list(self.scopes),
            "tokens": [vars(one) for one in self.tokens],
            "lakes": [dict(one) for one in self.lakes],
            "batch": dict(self.batch) or None,
            "trust": self.trust,
        }


def address(hub: str) -> str:
    """Where a hub's document is, from whatever a person would call the hub's URL. Raises LaptopError."""
    text = hub if "://" in hub else f"https://{hub}"
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise LaptopError(f"the hub's URL must be https, not {hub!r}")
    before, found, _ = f"{parts.path.rstrip('/')}/".partition("/hub/")
    base = before if found else parts.path.rstrip("/")
    return f"https://{parts.netloc}{base}/hub/facility/vos.json"


def offered(web: Web, hub: str) -> dict[str, Offer]:
    """The VOs of a hub by name. Raises LaptopError and UnavailableError."""
    url = address(hub)
    vos = read_object(web.send(Request("GET", url)), f"hub at {url}").get("vos")
    if not isinstance(vos, dict):
        raise LaptopError(f"{url} is no list of virtual organizations")
    return {name: read(name, entry) for name, entry in vos.items()}


def read(vo: str, entry: Any) -> Offer:
    """One VO of the document. Raises LaptopError when something in it is not as it should be."""
    try:
        return Offer(
            vo=vo,
            title=_text(entry["title"]),
            issuer=_text(entry["issuer"]),
            client=_text(entry["client_id"]),
            scopes=tuple(_text(one) for one in entry["scopes"]),
            tokens=tuple(
                Named(_name(one["name"]), _text(one["audience"]), str(one["scope"])) for one in entry["tokens"]
            ),
            lakes=tuple({key: _text(value) for key, value in one.items()} for one in entry["lakes"]),
            batch={key: _text(value) for key, value in (entry.get("batch") or {}).items()},
            trust=_certificates(entry.get("trust") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise LaptopError(f"what the hub tells of {vo!r} makes no sense: is this command older than the hub?") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError
    return value


def _name(value: Any) -> str:
    if not _NAME.fullmatch(_text(value)):
        raise ValueError
    return str(value)


def _certificates(value: Any) -> str:
    try:
        if value:
            ssl.create_default_context(cadata=value)
    except ssl.SSLError:
        raise ValueError from None
    return str(value)
