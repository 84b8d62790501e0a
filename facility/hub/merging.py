"""What another chart's configuration has set on a class before ours: read whatever form it has, and kept below ours.

Options of kubespawner may be dictionaries, lists, or, after `c.KubeSpawner.volumes.append(…)`, traitlets' own note of
what to do once the default is known.
"""

from __future__ import annotations

from typing import Any

from traitlets.config.loader import LazyConfigValue

Named = dict[str, Any]


def found(section: Any, option: str) -> Any:
    """The option's value as it was set, an empty one if it was not."""
    value = section.get(option) if option in section else None
    if isinstance(value, LazyConfigValue):
        noted = value.to_dict()
        return noted.get("update") or [*noted.get("prepend", []), *noted.get("extend", [])]
    return value or {}


def over(section: Any, option: str, ours: Named) -> Named:
    """A dictionary with what was there and ours, which wins."""
    there = found(section, option)
    return {**there, **ours} if isinstance(there, dict) else ours


def over_named(section: Any, option: str, ours: Named) -> Named:
    """The same for objects with a `name`, which may be in a list: ours take the place of those of the same name."""
    there = found(section, option)
    named = dict(there) if isinstance(there, dict) else by_name(there)
    taken = {one["name"] for one in ours.values()}
    return {key: one for key, one in named.items() if one.get("name") not in taken} | ours


def by_name(listed: list[Any]) -> Named:
    """A list of such objects as a dictionary that kubespawner sorts back into the same order."""
    return {f"{place:02d}-{one['name']}": one for place, one in enumerate(listed)}
