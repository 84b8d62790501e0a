"""The file that tells a cache what comes into it, and what goes (images/xcache/lakes/keeping.hh).

The cache looks at it every second, so it is changed while people read.
"""

from __future__ import annotations

from facility.vo import VirtualOrganization
from facility.xcache.text import safe, size

_PREFETCH = {"Ahead": "ahead", "AsRead": "as-read"}


def render(vo: VirtualOrganization) -> str:
    """Lines `prefetch`, `unused` and `quota`. Raises CacheConfigError with what to change in the object."""
    cache = vo.spec.cache
    # without the slash at its end XRootD finds nothing to remove there
    quotas = (f"quota {safe('quota path', one.path)}/ {size(one.size)}\n" for one in cache.quotas)
    return "".join((f"prefetch {_PREFETCH[cache.prefetch]}\n", f"unused {cache.drop_unused_days}\n", *quotas))
