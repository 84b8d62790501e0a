"""What is known of one read by one person: where it goes, with which token, and what came of a try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from facility.storages import below, holds
from facility.tokens.claims import Claims

#: what came of a try; `nobody`: it was not tried, because the token is for nobody there
Outcome = Literal[
    "read", "refused login", "refused", "missing", "not exported", "trouble", "unreachable", "tls", "late", "nobody"
]


class AddressError(ValueError):
    """Not the URL of a file in a lake; the text says what would be one."""


@dataclass(frozen=True)
class Address:
    """A file as its URL names it. `alias`: the host is a word for the VO's cache, not a name. `storage`: the URL named
    this one, which holds the lake; programs read that at the cache."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    alias: bool = False
    storage: str = ""


@dataclass(frozen=True)
class Lake:
    """A part of the VO's lake: `base` is what the path / of a scope means; `audience` is empty when it is not known."""

    prefix: str
    base: str
    audience: str = ""


@dataclass(frozen=True)
class Place:
    """Whose tools these are: the VO, its caches' hosts, its lakes and its issuer as far as they are known here.

    `storages`: prefix of a lake, and host of a storage that holds it.
    """

    vo: str
    caches: tuple[str, ...]
    lakes: tuple[Lake, ...] = ()
    issuer: str = ""
    storages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Token:
    """What discovery found. `where` tells the place; `problem` why there is none that can be used.

    `fixed`: it is in a variable, where nobody renews it. `open`: others may read its file.
    """

    where: str = ""
    problem: str = ""
    claims: Claims | None = None
    fixed: bool = False
    open: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of reading; `text` are the server's or the system's own words, `cut` to a line."""

    outcome: Outcome
    text: str = ""


@dataclass(frozen=True)
class Evidence:
    """All of it. `ahead`: seconds by which the clock here is before the facility's.

    `troubles`: what the agent says is wrong. `policy`: what the VO gives when it is asked for the scope that is
    missing; "" when it gives it, None when it was not asked.
    """

    address: Address
    place: Place
    token: Token
    answer: Answer
    now: float
    ahead: float = 0.0
    troubles: tuple[str, ...] = ()
    policy: str | None = None


def address(text: str, place: Place, port: int) -> Address:
    """From a URL or a path in the lake; `cache`, or any name without a dot, is the VO's cache. Raises AddressError."""
    url = text if "://" in text else f"root://cache/{text}"
    parts = urlsplit(url)
    try:
        host, said = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise AddressError(f"{text!r} is no URL") from None
    path = "/" + unquote(parts.path).lstrip("/")
    if parts.scheme not in ("root", "roots", "https") or not host or path == "/":
        raise AddressError(f"{text!r} is no file of a lake: root://HOST//PATH, https://HOST/PATH, or /PATH")
    alias = "." not in host and host not in place.caches and bool(place.caches) and host != "localhost"
    scheme = "https" if parts.scheme == "https" else "root"
    if place.caches and holds(place.storages, host, path):
        return Address(text, scheme, place.caches[0], port, path, storage=host)
    return Address(text, scheme, place.caches[0] if alias else host, said or port, path, alias)


def lake_of(path: str, place: Place) -> Lake | None:
    """The lake that holds a path; one that begins with the path's first part where the lakes are not known here."""
    if not place.lakes:
        first = "/" + path.split("/")[1]
        return Lake(first, first)
    return next((one for one in place.lakes if below(one.prefix, path)), None)


def relative(path: str, lake: Lake) -> str:
    """The path as a scope has it."""
    return path[len(lake.base.rstrip("/")) :] or "/" if below(lake.base, path) else path
