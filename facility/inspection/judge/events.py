"""What Kubernetes has warned of in the last hour: it explains, and is no fault by itself."""

from __future__ import annotations

from collections.abc import Iterator

from facility.inspection.facts import Facts, Json, name, seconds, vo_of
from facility.inspection.finding import Finding, Severity

#: seconds that a warning is told for
RECENT = 3600
#: findings of this kind; the rest is counted
MOST = 20
_LONGEST = 200  # characters of a message
_PLURALS = {
    "Deployment": "deployments",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "StatefulSet": "statefulsets",
}
_Group = tuple[str, str, str, str]  # namespace, kind, name, reason


def judge(facts: Facts) -> Iterator[Finding]:
    """One note for each object and reason, the latest message of each, the latest first."""
    latest: dict[_Group, tuple[float, int, str]] = {}
    spaces = facts.spaces
    for space in dict.fromkeys((spaces.facility, spaces.batch, spaces.users)):
        for event in facts.some("events", space):
            when = _when(event)
            if event.get("type") != "Warning" or facts.now - when > RECENT:
                continue
            group = _group(event, space)
            last, count, message = latest.get(group, (0.0, 0, ""))
            newer = str(event.get("message", "")) if when >= last else message
            latest[group] = max(when, last), count + int(event.get("count") or 1), newer
    ordered = sorted(latest.items(), key=lambda one: -one[1][0])
    yield from (_note(group, *found, facts) for group, found in ordered[:MOST])
    if (more := len(ordered) - MOST) > 0:
        yield Finding(Severity.NOTE, "", "events", f"{more} more warnings: kubectl get events -A")


def _when(event: Json) -> float:
    series = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max(map(seconds, moments))


def _group(event: Json, space: str) -> _Group:
    about = event.get("involvedObject") or {}
    return space, str(about.get("kind")), str(about.get("name")), str(event.get("reason"))


def _note(group: _Group, when: float, count: int, message: str, facts: Facts) -> Finding:
    space, kind, called, reason = group
    times = f"{count} times, the last" if count > 1 else "once,"
    text = f"{reason}, {times} {(facts.now - when) / 60:.0f} min ago: {message[:_LONGEST].rstrip('.')}"
    return Finding(Severity.NOTE, _owner(space, kind, called, facts), f"{kind} {space}/{called}", text)


def _owner(space: str, kind: str, called: str, facts: Facts) -> str:
    """The VO of the object; empty for objects that have gone and are nobody's any more."""
    if kind == "VirtualOrganization":
        return called
    objects = facts.some(_PLURALS.get(kind, ""), space)
    return next((vo_of(one) for one in objects if name(one) == called), "")
