"""`scitokens.cfg` of a VO's cache: whose tokens open which paths (XRootD's SciTokens plugin, 6.2).

One issuer, the VO's. Only capabilities count (`storage.read:/path`), whatever groups a token names.
"""

from __future__ import annotations

from facility.lakes import Lake, covers
from facility.vo import VirtualOrganization
from facility.xcache.text import CacheConfigError, safe, setting


def render(vo: VirtualOrganization) -> str:
    """The file's content. Raises CacheConfigError with what to change in the VO's object."""
    lakes = vo.spec.lakes
    audiences = dict.fromkeys(safe("audience", lake.audience) for lake in lakes)
    bases, restricted = paths(lakes)
    lines = [
        "[Global]",
        setting("audience", *audiences),
        setting("onmissing", "deny"),
        "",
        f"[Issuer {safe('name', vo.name)}]",
        setting("issuer", safe("issuer", vo.spec.issuer)),
        setting("base_path", *bases),
        *([setting("restricted_path", *restricted)] if restricted else []),
        setting("map_subject", "false"),
        setting("default_user", vo.name),
        setting("authorization_strategy", "capability"),
    ]
    return "\n".join(lines) + "\n"


def paths(lakes: tuple[Lake, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(`base_path`, `restricted_path`): a scope's path counts from a base, and reaches no further than the prefixes.

    XRootD joins every base with every scope and takes restrictions as paths below the base, so bases that lie above
    their prefix are possible for a VO's lakes together only.
    """
    if not lakes:
        raise CacheConfigError("a VO without lakes has no cache")
    prefixes = tuple(safe("prefix", lake.prefix) for lake in lakes)
    bases = tuple(dict.fromkeys(safe("scopeBase", lake.base) for lake in lakes))
    if all(any(covers(prefix, base) for prefix in prefixes) for base in bases):
        return bases, ()
    if len(bases) == 1 and all(bases[0] == "/" or covers(bases[0], prefix) for prefix in prefixes):
        return bases, tuple(prefix.removeprefix(bases[0].rstrip("/")) for prefix in prefixes)
    raise CacheConfigError(
        f"scopeBase {', '.join(bases)} for prefixes {', '.join(prefixes)}: each has to lie in one of the prefixes, "
        "or there has to be a single one above them all"
    )
