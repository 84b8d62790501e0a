"""All judges, in one."""

from __future__ import annotations

from facility.inspection.facts import Facts
from facility.inspection.finding import Finding
from facility.inspection.judge import (
    certificates,
    events,
    installation,
    organizations,
    people,
    quotas,
    running,
    workloads,
)

_JUDGES = (
    installation.judge,
    workloads.judge,
    certificates.judge,
    organizations.judge,
    people.judge,
    quotas.judge,
    running.judge,
    events.judge,
)


def judge(facts: Facts) -> list[Finding]:
    """Everything that an administrator should know, the worst of each VO first, what all stand on before the VOs."""
    found = [finding for one in _JUDGES for finding in one(facts)]
    order = ("error", "warning", "note")
    return sorted(found, key=lambda one: (one.vo, order.index(one.severity)))
