"""URLs of storages that hold the lake, as Rucio gives them: their files are read at the VO's cache. Pure.

The same as `images/notebook/lakes/choice.cc` does for XRootD's client.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit


def origins(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Prefix of a lake, and host of a storage that holds it, of LAKE_PREFIXES and LAKE_ORIGINS.

    LAKE_ORIGINS has a word for each prefix: URLs with commas between.
    """
    urls = environment.get("LAKE_ORIGINS", "").split()
    for prefix, words in zip(environment.get("LAKE_PREFIXES", "").split(), urls, strict=False):
        yield from ((prefix, host) for url in words.split(",") if (host := urlsplit(url).hostname))


def at_cache(url: str, environment: Mapping[str, str]) -> str | None:
    """The https URL of the same file at the cache; None for what is at the cache already, or in none of the lakes."""
    parts, cache = urlsplit(url), environment.get("LAKE_HTTPS", "")
    if not cache or parts.scheme != "https":
        return None
    path = "/" + parts.path.lstrip("/")
    held = holds(origins(environment), parts.hostname or "", path)
    return urlunsplit(("https", urlsplit(cache).netloc, path, parts.query, "")) if held else None


def holds(storages: Iterable[tuple[str, str]], host: str, path: str) -> bool:
    """Whether a host is a storage of a lake that has the path; `storages` as `origins` gives them."""
    return any(host == other and below(prefix, path) for prefix, other in storages)


def below(prefix: str, path: str) -> bool:
    """Whether a path is a prefix or lies under it, by whole components."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")
