"""Whether the facility's own pods are ready: Deployments, the central manager, each VO's cache and access point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facility import names
from facility.inspection.facts import Facts, Json, condition, labels, name, vo_of
from facility.inspection.finding import Finding, Severity
from facility.inspection.judge.organizations import closed
from facility.inspection.pods import Trouble, grouped
from facility.operator.validate import READY

#: seconds that a pod may take to start
STARTING = 120


def judge(facts: Facts) -> Iterator[Finding]:
    """Every Deployment and StatefulSet that has fewer pods ready than it wants, and every one that a VO lacks."""
    spaces = facts.spaces
    for kind, plural, space in (
        ("Deployment", "deployments", spaces.facility),
        ("StatefulSet", "statefulsets", spaces.facility),
        ("StatefulSet", "statefulsets", spaces.batch),
    ):
        for one in facts.some(plural, space):
            yield from _ready(kind, one, facts)
    for vo in facts.vos:
        if condition(vo, READY).get("status") == "True" and not closed(vo):
            yield from _lacking(vo, facts)


def _ready(kind: str, workload: Json, facts: Facts) -> Iterator[Finding]:
    space = workload["metadata"]["namespace"]
    wanted = (workload.get("spec") or {}).get("replicas", 1)
    ready = (workload.get("status") or {}).get("readyReplicas") or 0
    if ready >= wanted:
        return
    pods = [one for one in facts.some("pods", space) if _selected(one, workload)]
    causes = grouped(pods, facts.now) or {_unexplained(pods, facts): []}
    starting = not any(found for found in causes.values()) and any(facts.age(pod) < STARTING for pod in pods)
    severity = Severity.WARNING if ready or starting else Severity.ERROR
    for cause, called in causes.items():
        text = f"{ready} of {wanted} pods ready"
        text += f": {', '.join(called)}: {cause.sentence}" if called else f": {cause.sentence}"
        yield Finding(severity, vo_of(workload), f"{kind} {space}/{name(workload)}", text, cause.todo)


def _unexplained(pods: list[Json], facts: Facts) -> Trouble:
    if not pods:
        return Trouble("no pod of it was found", "see its events: kubectl describe it")
    if any(facts.age(pod) < STARTING for pod in pods):
        return Trouble("its pod is starting")
    return Trouble("its pod runs and does not become ready", "see its log")


def _selected(pod: Json, workload: Json) -> bool:
    wanted: Mapping[str, Any] = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return bool(wanted) and wanted.items() <= labels(pod).items()


def _lacking(vo: Json, facts: Facts) -> Iterator[Finding]:
    spec, called = vo["spec"], name(vo)
    wanted = [(facts.spaces.facility, names.xcache(called))] if spec.get("lakes") else []
    if (spec.get("batch") or {}).get("enabled", True):
        wanted.append((facts.spaces.batch, names.access_point(called)))
    for space, one in wanted:
        found = facts.of("statefulsets", space)
        if found is not None and not any(name(other) == one for other in found):
            todo = "see the operator's log: it should have made it"
            yield Finding(Severity.ERROR, called, f"StatefulSet {space}/{one}", "it is not there", todo)
