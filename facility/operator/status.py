"""Step 5: what became of a VO, as conditions with a reason and a sentence. Pure; apply.py writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from facility.operator.objects import Manifest
from facility.operator.validate import CLIENT, ISSUER, READY, Problem, RefusedVO, ValidatedVO, Verdict

_GOOD = {
    READY: ("Served", "everything of this VO is in place"),
    ISSUER: ("Answered", "the issuer's discovery document and signing keys were read"),
    CLIENT: ("Found", "the client's id and secret are there"),
}


def status(
    verdict: Verdict, previous: Manifest, generation: int, now: float, failure: Problem | None = None
) -> Manifest:
    """The status to write.

    Args:
        verdict: of validate.
        previous: the object's status as it stands.
        generation: the object's metadata.generation.
        now: seconds since the epoch.
        failure: why it could not be built or applied.
    """
    before = {one["type"]: one for one in previous.get("conditions") or []}
    found = _findings(verdict, failure)
    conditions = [_condition(kind, found[kind], before.get(kind), generation, now) for kind in (READY, ISSUER, CLIENT)]
    others = [one for kind, one in before.items() if kind not in found]
    users = len(verdict.users) if isinstance(verdict, ValidatedVO) else previous.get("users")
    result = {"observedGeneration": generation, "users": users, "conditions": conditions + others}
    return {key: value for key, value in result.items() if value is not None}


def _findings(verdict: Verdict, failure: Problem | None) -> dict[str, tuple[str, str, str]]:
    found = {kind: ("True", *text) for kind, text in _GOOD.items()}
    if isinstance(verdict, RefusedVO):
        found |= _refused(verdict)
    elif verdict.warnings:
        found |= _not_true(verdict.warnings)
        found[READY] = ("True", "Served", f"served from what is known: {verdict.warnings[0].message}")
    if failure and failure.passing:
        found[READY] = (
            "True",
            failure.reason,
            f"served as before, for the change could not be made: {failure.message}",
        )
    elif failure:
        found[READY] = ("False", failure.reason, failure.message)
    return found


def _refused(verdict: RefusedVO) -> dict[str, tuple[str, str, str]]:
    found = _not_true(verdict.problems)
    if verdict.vo is None:  # an object that cannot be read names neither issuer nor client to look at
        found |= {kind: ("Unknown", "NotLooked", "the object must be mended first") for kind in (ISSUER, CLIENT)}
    first = verdict.problems[0]
    more = "; ".join(problem.message for problem in verdict.problems)
    return {**found, READY: ("False", first.reason, more)}


def _not_true(problems: tuple[Problem, ...]) -> dict[str, tuple[str, str, str]]:
    return {one.condition: ("False", one.reason, one.message) for one in reversed(problems)}


def _condition(
    kind: str, found: tuple[str, str, str], before: dict[str, Any] | None, generation: int, now: float
) -> Manifest:
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
