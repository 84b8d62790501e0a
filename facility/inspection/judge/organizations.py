"""What the operator says of each VO, whether it still looks at them, and whether their issuers answer here too."""

from __future__ import annotations

from collections.abc import Iterator

from facility.inspection.facts import Facts, Json, condition, name, seconds
from facility.inspection.finding import Finding, Severity
from facility.inspection.remedies import VO
from facility.operator.facts import issuer_of
from facility.operator.validate import ISSUER, READY

#: seconds that the operator may take to look at a change, and the removal of a VO beyond its deadline
PATIENCE = 60
#: reason of Ready while there is nothing to say
_SERVED = "Served"


def judge(facts: Facts) -> Iterator[Finding]:
    """Each VO's conditions, as sentences."""
    for vo in facts.vos:
        if (vo["metadata"]).get("deletionTimestamp"):
            yield _removing(vo, facts)
            continue
        yield from _unseen(vo, facts) or _conditions(vo)
        yield from _issuer(vo, facts)


def _about(vo: Json) -> str:
    return f"VirtualOrganization {name(vo)}"


def closed(vo: Json) -> bool:
    """Whether nobody may use it now, by its administrator's wish."""
    return bool((vo.get("spec") or {}).get("suspended") or vo["metadata"].get("deletionTimestamp"))


def _removing(vo: Json, facts: Facts) -> Finding:
    since = facts.now - seconds(vo["metadata"]["deletionTimestamp"])
    text = f"it was deleted {since:.0f} s ago and is being removed"
    if since <= facts.deadline + PATIENCE:
        return Finding(Severity.NOTE, name(vo), _about(vo), text)
    todo = "see the operator's log; it gives up waiting after site.removalDeadline seconds"
    return Finding(Severity.ERROR, name(vo), _about(vo), f"{text}, which should have ended", todo)


def _unseen(vo: Json, facts: Facts) -> list[Finding]:
    """When the conditions do not speak of the object as it stands."""
    ready = condition(vo, READY)
    if ready and ready.get("observedGeneration") == vo["metadata"].get("generation"):
        return []
    if not ready and facts.age(vo) < PATIENCE:
        return [Finding(Severity.NOTE, name(vo), _about(vo), "it is new, and the operator has not looked at it yet")]
    text = "the operator has not looked at the object as it stands now"
    return [Finding(Severity.ERROR, name(vo), _about(vo), text, "see whether the operator runs, and its log")]


def _conditions(vo: Json) -> Iterator[Finding]:
    """Ready repeats what the other conditions say: each is told once, as the condition has it that it is about."""
    ready = condition(vo, READY)
    if closed(vo):
        text = str(ready.get("message") or "it is suspended")
        yield Finding(Severity.NOTE, name(vo), _about(vo), text, "set spec.suspended to false to open it")
        return
    others = [one for one in vo["status"]["conditions"] if one["type"] != READY and one.get("status") == "False"]
    if ready.get("reason") not in (_SERVED, *(one.get("reason") for one in others)):
        others.append(ready)
    severity = Severity.WARNING if ready.get("status") == "True" else Severity.ERROR
    yield from (_told(vo, one, severity) for one in others)
    odd = (one for one in vo["status"]["conditions"] if one.get("status") == "True" and one["type"] != READY)
    yield from (_told(vo, one, Severity.NOTE) for one in odd if one.get("reason") in VO)


def _told(vo: Json, found: Json, severity: Severity) -> Finding:
    todo = VO.get(str(found.get("reason")), "")
    return Finding(severity, name(vo), _about(vo), str(found.get("message", "")), todo)


def _issuer(vo: Json, facts: Facts) -> Iterator[Finding]:
    """What the operator has not seen, or cannot tell because it is away."""
    url = issuer_of(vo)
    found = facts.issuers.get(url)
    if found is None or closed(vo) or condition(vo, ISSUER).get("status") == "False":
        return
    trouble = found.error or ("" if found.keys else "it publishes no signing key")
    if trouble:
        text = f"{url} does not answer here as it should: {trouble}"
        yield Finding(Severity.WARNING, name(vo), "issuer", text, VO["IssuerUnreachable"])
