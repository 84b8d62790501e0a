"""The conditions of a VO: for every reason one line that a person can act on. Pure: a verdict in, a status out."""

from __future__ import annotations

from typing import Any

import pytest

from facility.operator.objects import Manifest
from facility.operator.status import status
from facility.operator.validate import CLIENT, ISSUER, NETWORK, READY, Problem, RefusedVO, ValidatedVO, Verdict
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import vo

NOW = 1_767_225_600.0
OPEN = VirtualOrganization.parse(vo("cms"))
SUSPENDED = VirtualOrganization.parse(vo("cms", suspended=True))
GOING = OPEN.model_copy(update={"deleting": True})


def told(verdict: Verdict, failure: Problem | None = None, before: Manifest | None = None) -> dict[str, dict[str, Any]]:
    """The conditions by type."""
    found = status(verdict, before or {}, 3, NOW, failure)
    return {one["type"]: one for one in found["conditions"]}


def line(verdict: Verdict, kind: str, failure: Problem | None = None) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = told(verdict, failure)[kind]
    return found["status"], found["reason"]


ISSUER_AWAY = Problem(ISSUER, "IssuerUnreachable", "the issuer is away", passing=True)
SLASH = Problem(ISSUER, "IssuerDiffersBySlash", "they differ by a slash", True, "True")
UNASKED = Problem(ISSUER, "NotLooked", "its issuer is not asked", True, "Unknown")
NO_SECRET = Problem(CLIENT, "SecretMissing", "Secret cms-client is missing")
NO_HOST = Problem(NETWORK, "HostUnknown", "no address is found for db", passing=True)
TAKEN = Problem(READY, "IssuerTaken", "the issuer is another's")
CANNOT_APPLY = Problem(READY, "CannotApply", "the API server said no")
STILL = Problem(READY, "CannotApply", "the API server said no", passing=True)
WAITING = Problem(READY, "Removing", "waiting for: 1 session")


@pytest.mark.parametrize(
    ("verdict", "failure", "expected"),
    [
        (ValidatedVO(OPEN), None, ("True", "Served", "True", "Answered", "True", "Found", "True", "Resolved")),
        (
            ValidatedVO(OPEN, warnings=(ISSUER_AWAY,)),
            None,
            ("True", "Served", "False", "IssuerUnreachable", "True", "Found", "True", "Resolved"),
        ),
        (
            ValidatedVO(OPEN, warnings=(SLASH, NO_HOST)),
            None,
            ("True", "Served", "True", "IssuerDiffersBySlash", "True", "Found", "False", "HostUnknown"),
        ),
        (
            RefusedVO("cms", (ISSUER_AWAY, NO_SECRET), OPEN),
            None,
            ("False", "SecretMissing", "False", "IssuerUnreachable", "False", "SecretMissing", "True", "Resolved"),
        ),
        (
            RefusedVO("cms", (TAKEN,), OPEN),
            None,
            ("False", "IssuerTaken", "True", "Answered", "True", "Found", "True", "Resolved"),
        ),
        (
            RefusedVO("cms", (Problem(READY, "BadSpec", "issuer: no URL"),)),
            None,
            ("False", "BadSpec", "Unknown", "NotLooked", "Unknown", "NotLooked", "Unknown", "NotLooked"),
        ),
        (
            ValidatedVO(OPEN),
            CANNOT_APPLY,
            ("False", "CannotApply", "True", "Answered", "True", "Found", "True", "Resolved"),
        ),
        (ValidatedVO(OPEN), STILL, ("True", "CannotApply", "True", "Answered", "True", "Found", "True", "Resolved")),
        (
            ValidatedVO(SUSPENDED, warnings=(UNASKED,)),
            None,
            ("False", "Suspended", "Unknown", "NotLooked", "True", "Found", "True", "Resolved"),
        ),
        (
            ValidatedVO(SUSPENDED, warnings=(ISSUER_AWAY, NO_SECRET)),
            None,
            ("False", "Suspended", "False", "IssuerUnreachable", "False", "SecretMissing", "True", "Resolved"),
        ),
        (
            ValidatedVO(SUSPENDED),
            STILL,
            ("False", "CannotApply", "True", "Answered", "True", "Found", "True", "Resolved"),
        ),
        (ValidatedVO(GOING), None, ("False", "Removing", "True", "Answered", "True", "Found", "True", "Resolved")),
        (ValidatedVO(GOING), WAITING, ("False", "Removing", "True", "Answered", "True", "Found", "True", "Resolved")),
        (ValidatedVO(GOING), STILL, ("False", "CannotApply", "True", "Answered", "True", "Found", "True", "Resolved")),
    ],
)
def test_every_state_of_a_vo_has_its_reasons(
    verdict: Verdict, failure: Problem | None, expected: tuple[str, ...]
) -> None:
    found = [part for kind in (READY, ISSUER, CLIENT, NETWORK) for part in line(verdict, kind, failure)]
    assert tuple(found) == expected
    assert all(len(one["message"]) > 10 for one in told(verdict, failure).values())


def test_a_closed_vo_is_never_ready_whatever_else_is_told() -> None:
    for closed in (SUSPENDED, GOING):
        for warnings in ((), (ISSUER_AWAY,), (SLASH, NO_HOST), (UNASKED,)):
            for failure in (None, CANNOT_APPLY, STILL, WAITING):
                assert line(ValidatedVO(closed, warnings=warnings), READY, failure)[0] == "False"


def test_a_suspended_vo_says_how_to_open_it() -> None:
    assert "spec.suspended: false" in told(ValidatedVO(SUSPENDED))[READY]["message"]


def test_a_vo_that_goes_says_what_is_waited_for() -> None:
    assert told(ValidatedVO(GOING), WAITING)[READY]["message"] == "waiting for: 1 session"


def test_a_served_vo_tells_a_trouble_before_a_remark() -> None:
    message = told(ValidatedVO(OPEN, warnings=(SLASH, NO_HOST)))[READY]["message"]
    assert message == "served from what is known: no address is found for db"
    message = told(ValidatedVO(OPEN, warnings=(SLASH,)))[READY]["message"]
    assert message == "everything of this VO is in place, but: they differ by a slash"


def test_a_refused_vo_tells_everything_at_once_and_the_worst_first() -> None:
    message = told(RefusedVO("cms", (ISSUER_AWAY, NO_SECRET), OPEN))[READY]["message"]
    assert message == "Secret cms-client is missing; the issuer is away"


def test_the_time_of_a_condition_moves_with_its_status_only() -> None:
    first = status(ValidatedVO(OPEN), {}, 1, NOW)
    later = told(ValidatedVO(OPEN, warnings=(SLASH,)), before=first)
    assert {one["lastTransitionTime"] for one in later.values()} == {"2026-01-01T00:00:00Z"}
    gone = status(ValidatedVO(SUSPENDED), first, 2, NOW + 60)
    times = {one["type"]: one["lastTransitionTime"] for one in gone["conditions"]}
    assert times[READY] == "2026-01-01T00:01:00Z"
    assert times[CLIENT] == "2026-01-01T00:00:00Z"


def test_conditions_of_others_are_left() -> None:
    before = {"conditions": [{"type": "Audited", "status": "True"}]}
    assert told(ValidatedVO(OPEN), before=before)["Audited"] == {"type": "Audited", "status": "True"}
