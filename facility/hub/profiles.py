"""Which kinds of servers a person may start, and what each gives. Rules are pure; kubespawner asks for the list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from facility import quantity
from facility.hub.groups import paths
from facility.hub.refusals import Refused
from facility.profiles import Profile
from facility.site import Site
from facility.tokens.groups import admitted
from facility.vo import VirtualOrganization


@dataclass(frozen=True)
class Size:
    """What one notebook has: cores and bytes. None: not said, so the cluster decides."""

    cpu: Decimal | None
    cpu_limit: Decimal | None
    memory: Decimal | None
    memory_limit: Decimal | None
    gpus: int = 0


def size(profile: Profile | None, site: Site) -> Size:
    """Of a profile, and of the site's own server where the profile is silent or there is none.

    The site's limit gives way to a profile that is sure to have more.
    """
    ours = site.notebook_resources
    own = profile or Profile(name="site")
    cpu = _amount(own.cpu or ours.requests.get("cpu"))
    memory = _amount(own.memory or ours.requests.get("memory"))
    return Size(
        cpu,
        _amount(own.cpu_limit) or _at_least(_amount(ours.limits.get("cpu")), cpu),
        memory,
        _amount(own.memory_limit) or _at_least(_amount(ours.limits.get("memory")), memory),
        own.gpus,
    )


def offered(vo: VirtualOrganization, groups: Collection[str]) -> tuple[Profile, ...]:
    """The profiles of a person whose groups at the hub those are; in the VO's order."""
    theirs = paths(vo.name, groups)
    return tuple(profile for profile in vo.spec.profiles if admitted(theirs, profile.groups))


def chosen(vo: VirtualOrganization, groups: Collection[str], wanted: object) -> Profile | None:
    """The profile that `wanted` names, or the default one; None for a VO without profiles.

    Raises Refused for one that is not there or not for this person: both look the same, so that nobody learns more
    than their own page says.
    """
    found = offered(vo, groups)
    if wanted in (None, ""):
        if found or not vo.spec.profiles:
            return default(found)
        title = vo.spec.display_name or vo.name
        raise Refused(f"{title} offers no server to your groups. Ask the managers of {title}.", reason="profile")
    for profile in found:
        if profile.name == wanted:
            return profile
    names = ", ".join(profile.name for profile in found)
    there = f"There are: {names}." if names else "Start without one."
    raise Refused(f"There is no profile {wanted!r:.60} for you. {there}", reason="profile")


def default(found: Collection[Profile]) -> Profile | None:
    """The one that is meant when none is named."""
    return next((profile for profile in found if profile.default), next(iter(found), None))


def overrides(profile: Profile | None, site: Site) -> dict[str, Any]:
    """kubespawner's options for it; dictionaries are merged with what all servers have."""
    given = size(profile, site)
    found: dict[str, Any] = {
        "cpu_guarantee": _float(given.cpu),
        "cpu_limit": _float(given.cpu_limit),
        "mem_guarantee": _int(given.memory),
        "mem_limit": _int(given.memory_limit),
    }
    if profile is None:
        return found
    if profile.image:
        found["image"] = profile.image
    if profile.gpus:
        found["extra_resource_guarantees"] = found["extra_resource_limits"] = {site.gpu_resource: str(profile.gpus)}
    # kubespawner fills in what stands in braces; here a brace is a brace
    escaped = {key: value.replace("{", "{{").replace("}", "}}") for key, value in profile.environment.items()}
    return found | {"environment": escaped, "node_selector": dict(profile.node_selector)}


def entries(vo: VirtualOrganization, groups: Collection[str], site: Site) -> list[dict[str, Any]]:
    """kubespawner's `profile_list` of a person; empty for a VO without profiles."""
    found = offered(vo, groups)
    usual = default(found)
    return [
        {
            "slug": profile.name,
            "display_name": profile.display_name or profile.name,
            "description": profile.description,
            "default": profile is usual,
            "kubespawner_override": overrides(profile, site),
        }
        for profile in found
    ]


def told(given: Size) -> str:
    """What a server gives, for people: `2 to 4 CPU cores, 4 GiB to 8 GiB of memory, 1 GPU`."""
    parts = [
        _range(given.cpu, given.cpu_limit, quantity.cores, "CPU cores"),
        _range(given.memory, given.memory_limit, quantity.size, "of memory"),
        f"{given.gpus} GPU{'s' if given.gpus > 1 else ''}" if given.gpus else "",
    ]
    return ", ".join(part for part in parts if part)


def _range(least: Decimal | None, most: Decimal | None, text: Any, of: str) -> str:
    if least and most and most > least:
        return f"{text(least)} to {text(most)} {of}"
    if least is None and most is None:
        return ""
    return f"{text(least or most)} {of}" if least or not most else f"up to {text(most)} {of}"


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else quantity.parse(text)


def _at_least(limit: Decimal | None, sure: Decimal | None) -> Decimal | None:
    return limit if limit is None or sure is None else max(limit, sure)


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _int(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount)
