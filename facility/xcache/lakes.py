"""The file that tells a cache which origin holds which part of its VO's lake (images/xcache/lakes/table.hh).

The cache looks at it every second, so lakes come and go while it runs.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from facility.model import ORIGIN_PORTS
from facility.vo import VirtualOrganization
from facility.xcache.text import CacheConfigError, safe

_SHOWN = {"Token": "", "Robot": " robot"}


def render(vo: VirtualOrganization) -> str:
    """A line `<prefix> <origin> [robot]` for each lake. Raises CacheConfigError with what to change in the object."""
    return "".join(
        f"{safe('prefix', one.prefix)} {origin(one.origin)}{_SHOWN[one.credential]}\n" for one in vo.spec.lakes
    )


def origin(url: str) -> str:
    """`protocol://host:port`. Raises CacheConfigError for what XRootD's client would not take."""
    try:
        parts = urlsplit(safe("origin", url))
        port = parts.port or ORIGIN_PORTS.get(parts.scheme)
    except ValueError as error:
        raise CacheConfigError(f"origin {url!r}: {error}") from None
    if not port or not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise CacheConfigError(f"origin {url!r}: give https://host:port or root://host:port alone")
    return f"{parts.scheme}://{parts.hostname}:{port}"
