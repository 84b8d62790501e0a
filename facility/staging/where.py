"""Which cache brings a path, and what the path is called there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from facility import names


class WhereError(ValueError):
    """No path of a lake; the text says what would be one."""


class Place(NamedTuple):
    """A cache's `host:port`, and an absolute path."""

    cache: str
    path: str


def place(text: str, environment: Mapping[str, str]) -> Place:
    """Of `/cms/…`, which the cache of LAKE_ROOT brings, or of root://CACHE:1094//cms/… . Raises WhereError."""
    if "://" not in text:
        cache = urlsplit(environment.get("LAKE_ROOT", "")).netloc
        if not cache:
            raise WhereError(f"no cache is known here (LAKE_ROOT): write root://CACHE:{names.XROOTD_PORT}/{text}")
        return Place(cache, _absolute(text, text))
    parts = urlsplit(text)
    if parts.scheme not in ("root", "roots") or not parts.hostname:
        raise WhereError(f"{text!r} names no cache: write /PATH or root://CACHE:{names.XROOTD_PORT}//PATH")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Place(f"{host}:{parts.port or names.XROOTD_PORT}", _absolute(parts.path, text))


def _absolute(path: str, text: str) -> str:
    if not path.startswith("/") or not path.strip("/"):
        raise WhereError(f"{text!r} names nothing of a lake: paths are absolute, as in /cms/open")
    return "/" + path.strip("/")
