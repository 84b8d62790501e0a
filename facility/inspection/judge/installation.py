"""Whether there is a facility at all, with what it has exactly one of, and an operator that leads."""

from __future__ import annotations

from collections.abc import Iterator

from facility.inspection.facts import Facts, Json, name, seconds
from facility.inspection.finding import Finding, Severity
from facility.operator import leader

#: seconds by which the clocks here and there may differ
_CLOCKS = 60
_DEPLOYMENTS = ("operator", "broker")
_HUB = ("hub", "proxy")


def judge(facts: Facts) -> Iterator[Finding]:
    """What is missing."""
    if not facts.known:
        text = "the API server knows no VirtualOrganizations and FacilityUsers"
        yield Finding(Severity.ERROR, "", "CustomResourceDefinitions", text, "install the chart crds")
    if not facts.installed:
        text = f"there is no ConfigMap facility-site: no facility is installed in {facts.spaces.facility}"
        todo = "name the facility's namespace with --namespace, or install the chart"
        yield Finding(Severity.ERROR, "", f"namespace {facts.spaces.facility}", text, todo)
        return
    yield from _parts(facts)
    yield from _lease(facts)
    if facts.known and facts.of("virtualorganizations", facts.spaces.facility) == ():
        yield Finding(Severity.NOTE, "", "VirtualOrganizations", "there is none yet", "apply the first one")


def _parts(facts: Facts) -> Iterator[Finding]:
    space = facts.spaces.facility
    found = facts.of("deployments", space)
    if found is None:
        return
    there = {name(one) for one in found}
    for one in _DEPLOYMENTS:
        if one not in there:
            yield _missing(f"Deployment {space}/{one}", "run helm upgrade")
    if absent := [one for one in _HUB if one not in there]:
        text = f"there is no Deployment {' and no '.join(absent)}: the hub is one of the site's own, and not looked at"
        yield Finding(Severity.NOTE, "", "hub", text)
    managers = facts.of("statefulsets", facts.spaces.batch)
    if managers is not None and _batch(facts.vos) and not any(name(one) == "cm" for one in managers):
        yield _missing(f"StatefulSet {facts.spaces.batch}/cm", "install the chart condor: a VO has batch enabled")


def _missing(about: str, todo: str) -> Finding:
    return Finding(Severity.ERROR, "", about, "it is not there", todo)


def _batch(vos: tuple[Json, ...]) -> bool:
    return any(((vo.get("spec") or {}).get("batch") or {}).get("enabled", True) for vo in vos)


def _lease(facts: Facts) -> Iterator[Finding]:
    """Only where there is one: an operator that has not started yet is told of by its Deployment."""
    for lease in (one for one in facts.some("leases", facts.spaces.facility) if name(one) == leader.NAME):
        spec = lease.get("spec") or {}
        holder, silent = spec.get("holderIdentity"), facts.now - seconds(spec.get("renewTime"))
        if holder and silent <= float(spec.get("leaseDurationSeconds") or 0) + _CLOCKS:
            continue
        text = f"no operator leads: {holder} has not renewed it for {silent:.0f} s" if holder else "no operator leads"
        todo = f"see the log: kubectl -n {facts.spaces.facility} logs deployment/operator"
        yield Finding(Severity.ERROR, "", f"Lease {leader.NAME}", text, todo)
