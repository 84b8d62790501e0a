"""Step 5: what became of a VO, as conditions with a reason and a sentence. Pure; apply.py writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from facility.operator.objects import Manifest
from facility.operator.validate import CLIENT, ISSUER, NETWORK, READY, ROBOT, Problem, RefusedVO, ValidatedVO, Verdict

_GOOD = {
    READY: ("Served", "everything of this VO is in place"),
    ISSUER: ("Answered", "the issuer's discovery document and signing keys were read"),
    CLIENT: ("Found", "the client's id and secret are there"),
    NETWORK: ("Resolved", "every host of network.allow has an address"),
    ROBOT: ("Found", "whatever the VO's robot needs is there"),
}
_SUSPENDED = (
    "the VO is suspended: nobody signs in, no token is given, its jobs are held and its cache is stopped; nothing is "
    "lost, and spec.suspended: false opens it again"
)
_REMOVING = "the VO is being removed: its people's sessions are ended and its pods stopped before the object goes"
#: status, reason and sentence of a condition
Finding = tuple[str, str, str]


def status(
    verdict: Verdict, previous: Manifest, generation: int, now: float, failure: Problem | None = None
) -> Manifest:
    """The status to write.

    Args:
        verdict: of validate.
        previous: the object's status as it stands.
        generation: the object's metadata.generation.
        now: seconds since the epoch.
        failure: why it could not be built or applied; for a VO that is being removed also what is still left of it.
    """
    before = {one["type"]: one for one in previous.get("conditions") or []}
    found = _findings(verdict, failure)
    conditions = [condition(kind, found[kind], before.get(kind), generation, now) for kind in _GOOD]
    others = [one for kind, one in before.items() if kind not in found]
    users = len(verdict.users) if isinstance(verdict, ValidatedVO) else previous.get("users")
    result = {"observedGeneration": generation, "users": users, "conditions": conditions + others}
    return {key: value for key, value in result.items() if value is not None}


def _findings(verdict: Verdict, failure: Problem | None) -> dict[str, Finding]:
    found: dict[str, Finding] = {kind: ("True", *text) for kind, text in _GOOD.items()}
    if isinstance(verdict, RefusedVO):
        found |= _refused(verdict)
    elif verdict.vo.closed:
        found |= _as_told(verdict.warnings) | {READY: _closed(verdict)}
    elif verdict.warnings:
        found |= _as_told(verdict.warnings) | {READY: _served(verdict.warnings)}
    if failure:
        closed = verdict.vo is not None and verdict.vo.closed
        found[READY] = ("False", failure.reason, failure.message)
        if failure.passing and not closed:
            text = f"served as before, for the change could not be made: {failure.message}"
            found[READY] = ("True", failure.reason, text)
    return found


def _refused(verdict: RefusedVO) -> dict[str, Finding]:
    found = _as_told(verdict.problems)
    if verdict.vo is None:  # an object that cannot be read names nothing to look at
        looked = (kind for kind in _GOOD if kind != READY)
        found |= {kind: ("Unknown", "NotLooked", "the object must be mended first") for kind in looked}
    ordered = sorted(verdict.problems, key=lambda one: one.passing)
    return {**found, READY: ("False", ordered[0].reason, "; ".join(problem.message for problem in ordered))}


def _closed(verdict: ValidatedVO) -> Finding:
    return ("False", "Removing", _REMOVING) if verdict.vo.deleting else ("False", "Suspended", _SUSPENDED)


def _served(warnings: tuple[Problem, ...]) -> Finding:
    troubles = [one for one in warnings if one.state != "True"]
    before = "served from what is known" if troubles else "everything of this VO is in place, but"
    return "True", "Served", f"{before}: {(troubles or list(warnings))[0].message}"


def _as_told(problems: tuple[Problem, ...]) -> dict[str, Finding]:
    """The first of each condition, the serious before those that pass."""
    ordered = sorted(problems, key=lambda one: one.passing)
    return {one.condition: (one.state, one.reason, one.message) for one in reversed(ordered)}


def condition(kind: str, found: Finding, before: dict[str, Any] | None, generation: int, now: float) -> Manifest:
    """A condition (API conventions, `metav1.Condition`), whose time is that of the one before while its status is."""
    state, reason, message = found
    since = before.get("lastTransitionTime") if before and before.get("status") == state else None
    return {
        "type": kind,
        "status": state,
        "reason": reason,
        "message": message[:1024],
        "lastTransitionTime": since or datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": generation,
    }
