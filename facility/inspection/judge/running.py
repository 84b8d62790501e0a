"""How people's notebooks and their execute pods fare, and whether volumes are bound."""

from __future__ import annotations

from collections.abc import Iterator

from facility import names
from facility.inspection.facts import Facts, Json, labels, name, vo_of
from facility.inspection.finding import Finding, Severity
from facility.inspection.pods import grouped

#: seconds that a volume may take to be bound
_BINDING = 120
#: names that a sentence lists
_SHOWN = 3


def judge(facts: Facts) -> Iterator[Finding]:
    """One finding for each cause in each VO, with how many it concerns."""
    for component, space in (("notebook", facts.spaces.users), ("execute", facts.spaces.batch)):
        pods = [pod for pod in facts.some("pods", space) if _component(pod) == component]
        for vo in sorted({vo_of(pod) for pod in pods}):
            yield from _pods([pod for pod in pods if vo_of(pod) == vo], f"{component} pods", vo, facts)
    spaces = (facts.spaces.facility, facts.spaces.batch, facts.spaces.users)
    for claim in (one for space in dict.fromkeys(spaces) for one in facts.some("persistentvolumeclaims", space)):
        yield from _claim(claim, facts)


def _component(pod: Json) -> str:
    """kubespawner has a label of its own for it."""
    found = labels(pod)
    return found.get(names.LABEL_COMPONENT) or found.get("component", "")


def _pods(pods: list[Json], what: str, vo: str, facts: Facts) -> Iterator[Finding]:
    for cause, called in grouped(pods, facts.now).items():
        text = f"{len(called)} of {len(pods)}: {cause.sentence} ({_some(called)})"
        yield Finding(Severity.WARNING, vo, what, text, cause.todo)


def _some(called: list[str]) -> str:
    more = f" and {len(called) - _SHOWN} more" if len(called) > _SHOWN else ""
    return ", ".join(called[:_SHOWN]) + more


def _claim(claim: Json, facts: Facts) -> Iterator[Finding]:
    """A claim that waits for its first pod is no fault; that pod tells why it has no node."""
    phase = (claim.get("status") or {}).get("phase")
    about = f"PersistentVolumeClaim {claim['metadata']['namespace']}/{name(claim)}"
    if phase == "Lost":
        text = "its volume is lost"
        yield Finding(
            Severity.ERROR, vo_of(claim), about, text, "restore the volume, or delete the claim with what it held"
        )
    elif phase == "Pending" and facts.age(claim) > _BINDING and _asked(claim, facts):
        text = f"it has not been bound to a volume for {facts.age(claim):.0f} s"
        todo = "see its events; is there a default StorageClass, and does its provisioner run?"
        yield Finding(Severity.WARNING, vo_of(claim), about, text, todo)


def _asked(claim: Json, facts: Facts) -> bool:
    """Whether a pod asks for it."""
    for pod in facts.some("pods", claim["metadata"]["namespace"]):
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            if (volume.get("persistentVolumeClaim") or {}).get("claimName") == name(claim):
                return True
    return False
