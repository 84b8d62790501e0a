"""Which quotas are full or nearly so. Among people, who comes next is refused; in batch, jobs wait, as they may."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from facility.inspection.facts import Facts, Json, name, vo_of
from facility.inspection.finding import Finding, Severity
from facility.quantity import parse

#: share of a quota from which on it is told
NEARLY = Decimal("0.9")
_RAISE = "nothing, if that is meant to be the most; else raise spec.limits or spec.batch of the VO"


def judge(facts: Facts) -> Iterator[Finding]:
    """One finding for each full resource of each quota."""
    spaces = facts.spaces
    for space in dict.fromkeys((spaces.facility, spaces.batch, spaces.users)):
        for quota in facts.some("resourcequotas", space):
            yield from _quota(quota, Severity.NOTE if space == spaces.batch else Severity.WARNING)


def _quota(quota: Json, severity: Severity) -> Iterator[Finding]:
    status = quota.get("status") or {}
    for resource, most in sorted((status.get("hard") or {}).items()):
        used = (status.get("used") or {}).get(resource, "0")
        share = _share(used, most)
        if share < NEARLY:
            continue
        vo, about = vo_of(quota), f"ResourceQuota {quota['metadata']['namespace']}/{name(quota)}"
        text = f"{resource} is {'full' if share >= 1 else 'nearly full'}: {used} of {most} in use"
        yield Finding(severity, vo, about, text, _RAISE if vo else "raise the quota, which is the site's own")


def _share(used: Any, most: Any) -> Decimal:
    """0 for a quota of nothing: that is a wish."""
    try:
        whole = parse(most)
        return parse(used) / whole if whole else Decimal(0)
    except ValueError:
        return Decimal(0)
