"""`facility check` judges: for each thing that can be wrong one sentence, whose it is, how bad, and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from facility.inspection import remedies
from facility.inspection.facts import Certificate
from facility.inspection.finding import Finding, Severity
from facility.inspection.judge.everything import judge
from facility.operator.facts import Issuer
from tests.fakes.inspected import NOW, facts, lease, moment, objects, person, thing, vo, vos, without, workload

ROOT = Path(__file__).parents[2]
E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
Changed = dict[tuple[str, str], Any]
DAY = 86400


def told(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.vo, f"{one.about}: {one.sentence}") for one in found]


def quota(space: str, used: str, hard: str, vo_name: str = "cms") -> Changed:
    labels = {"analysis-facility.io/vo": vo_name} if vo_name else {}
    amounts = {"hard": {"requests.memory": hard}, "used": {"requests.memory": used}}
    return {("resourcequotas", space): (thing("vo-cms", space, labels=labels, status=amounts),)}


def deleted(ago: float) -> Any:
    made = vo()
    made["metadata"]["deletionTimestamp"] = moment(ago)
    return made


def unseen(**more: Any) -> Any:
    made = vo(**more)
    made["metadata"]["generation"] = 2
    return made


NOT_ASKED = ("Ready", "False", "IssuerUnreachable", "the issuer is away; more")
AWAY = ("IssuerReachable", "False", "IssuerUnreachable", "the issuer is away")
CASES: list[tuple[str, Changed, list[tuple[str, str, str]]]] = [
    ("all is well", {}, []),
    ("no operator", without("operator", "deployments"), [(E, "", "Deployment facility/operator: it is not there")]),
    (
        "the site's own hub",
        {("deployments", "facility"): (workload("operator"), workload("broker"))},
        [(N, "", "hub: there is no Deployment hub and no proxy: the hub is one of the site's own, and not looked at")],
    ),
    (
        "no central manager",
        without("cm", "statefulsets", "facility-batch"),
        [(E, "", "StatefulSet facility-batch/cm: it is not there")],
    ),
    ("no VO yet", vos(), [(N, "", "VirtualOrganizations: there is none yet")]),
    (
        "nobody leads",
        {("leases", "facility"): (lease(ago=600),)},
        [(E, "", "Lease operator: no operator leads: operator-1 has not renewed it for 600 s")],
    ),
    (
        "a lease that was given back",
        {("leases", "facility"): (lease(holder=""),)},
        [(E, "", "Lease operator: no operator leads")],
    ),
    ("a clock that differs by seconds", {("leases", "facility"): (lease(ago=40),)}, []),
    (
        "a VO whose issuer is away, and that was never served",
        vos(vo("cms", NOT_ASKED, AWAY)),
        [(E, "cms", "VirtualOrganization cms: the issuer is away")],
    ),
    (
        "a VO that is served from what is known",
        vos(vo("cms", ("Ready", "True", "Served", "served from what is known: …"), AWAY)),
        [(W, "cms", "VirtualOrganization cms: the issuer is away")],
    ),
    (
        "two things wrong with a VO",
        vos(vo("cms", ("Ready", "False", "PrefixTaken", "/cms is taken"), AWAY)),
        [
            (E, "cms", "VirtualOrganization cms: the issuer is away"),
            (E, "cms", "VirtualOrganization cms: /cms is taken"),
        ],
    ),
    (
        "a change that could not be made",
        vos(vo("cms", ("Ready", "True", "CannotApply", "the volume's size is fixed"))),
        [(W, "cms", "VirtualOrganization cms: the volume's size is fixed")],
    ),
    (
        "an issuer that spells itself in another way",
        vos(vo("cms", ("IssuerReachable", "True", "IssuerDiffersBySlash", "it differs by a slash"))),
        [(N, "cms", "VirtualOrganization cms: it differs by a slash")],
    ),
    (
        "a suspended VO, whose cache is stopped and whose people have no tokens",
        vos(vo("cms", ("Ready", "False", "Suspended", "the VO is suspended"), suspended=True))
        | without("xcache-cms", "statefulsets")
        | {("facilityusers", "facility"): (person("alice", reason="VOClosed"),)},
        [(N, "cms", "VirtualOrganization cms: the VO is suspended")],
    ),
    (
        "a VO on its way out",
        vos(deleted(30)),
        [(N, "cms", "VirtualOrganization cms: it was deleted 30 s ago and is being removed")],
    ),
    (
        "a VO that does not go",
        vos(deleted(500)),
        [
            (
                E,
                "cms",
                "VirtualOrganization cms: it was deleted 500 s ago and is being removed, which should have ended",
            )
        ],
    ),
    (
        "a VO that nobody has looked at",
        vos(unseen()),
        [(E, "cms", "VirtualOrganization cms: the operator has not looked at the object as it stands now")],
    ),
    (
        "people without a session, by reason",
        {
            ("facilityusers", "facility"): (
                person("alice"),
                person("bob", reason="SignInAgain"),
                person("carol", reason="SignInAgain"),
                person("dave", reason="ClientRefused"),
                person("eve", reason="IssuerUnavailable"),
            )
        },
        [
            (E, "cms", "people: 1 of 5 has no good session (ClientRefused)"),
            (W, "cms", "people: 1 of 5 has no good session (IssuerUnavailable)"),
            (N, "cms", "people: 2 of 5 have no good session (SignInAgain)"),
        ],
    ),
    (
        "a person without a number",
        {("facilityusers", "facility"): (person("alice", uid=None),)},
        [(E, "cms", "people: 1 of 1 have no uid, so their jobs are refused (cms-alice)")],
    ),
    (
        "notebooks' quota nearly full",
        quota("facility-users", "60Gi", "64Gi"),
        [
            (
                W,
                "cms",
                "ResourceQuota facility-users/vo-cms: requests.memory is nearly full: 60Gi of 64Gi in use",
            )
        ],
    ),
    (
        "a batch quota that is used as it may be",
        quota("facility-batch", "64Gi", "64Gi"),
        [(N, "cms", "ResourceQuota facility-batch/vo-cms: requests.memory is full: 64Gi of 64Gi in use")],
    ),
    ("a quota with room", quota("facility-users", "500Mi", "64Gi"), []),
    ("a quota of nothing", quota("facility-users", "0", "0"), []),
]


@pytest.mark.parametrize(("changed", "expected"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_what_is_wrong_is_told(changed: Changed, expected: list[tuple[str, str, str]]) -> None:
    assert told(judge(facts(changed))) == expected


@pytest.mark.parametrize("key", objects())
def test_what_could_not_be_read_is_not_taken_for_missing(key: tuple[str, str]) -> None:
    assert judge(facts({key: None})) == []


def test_where_no_facility_is_installed_nothing_else_is_missed() -> None:
    (found,) = judge(facts(dict.fromkeys(objects()), installed=False))
    assert "no facility is installed in facility" in found.sentence
    assert "--namespace" in found.todo


def test_an_api_server_without_the_facilitys_kinds_is_told() -> None:
    found = judge(facts({("virtualorganizations", "facility"): None}, known=False))
    assert told(found) == [
        (E, "", "CustomResourceDefinitions: the API server knows no VirtualOrganizations and FacilityUsers")
    ]


@pytest.mark.parametrize(
    ("days", "ours", "severity", "sentence", "todo"),
    [
        (10, True, W, "it ends in 10 days", "the operator's log"),
        (10, False, W, "it ends in 10 days", "the site's own"),
        (-3, True, E, "it ended 3 days ago", "the operator's log"),
    ],
)
def test_certificates_near_their_end_are_told(
    days: float, ours: bool, severity: Severity, sentence: str, todo: str
) -> None:
    one = Certificate("facility-batch", "tls-ap-cms", "cms", NOW + days * DAY, ours)
    (found,) = judge(facts(certificates=(one,)))
    assert (found.severity, found.vo, found.sentence) == (severity, "cms", sentence)
    assert todo in found.todo


def test_what_is_no_certificate_is_told() -> None:
    (found,) = judge(facts(certificates=(Certificate("facility", "tls-cm", "", 0.0, True),)))
    assert (found.severity, found.sentence) == (E, "its tls.crt is no certificate")


@pytest.mark.parametrize(
    ("issuer", "changed", "sentence"),
    [
        (Issuer("https://cms.test/", keys=2), (), None),
        (Issuer(error="no answer within 5 s"), (), "https://cms.test/ does not answer here as it should: no answer"),
        (Issuer("https://cms.test/"), (), "it publishes no signing key"),
        (Issuer(error="no answer"), (("Ready", "True", "Served", "x"), AWAY), "the issuer is away"),
    ],
)
def test_an_issuer_that_fails_here_is_told_once(issuer: Issuer, changed: Any, sentence: str | None) -> None:
    found = judge(facts(vos(vo("cms", *changed)), issuers={"https://cms.test/": issuer}))
    assert len(found) == (sentence is not None)
    assert all(one.severity == W and sentence in one.sentence for one in found if sentence)


def event(reason: str, ago: float, kind: str = "Pod", name: str = "ap-cms-0", **more: Any) -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    content = {"type": "Warning", "reason": reason, "message": f"{reason} it is.", "lastTimestamp": moment(ago)}
    return thing(f"{name}.{reason}.{ago}", "facility-batch", involvedObject=about, **{**content, **more})


def test_warnings_of_the_last_hour_are_notes_of_their_object_the_latest_first() -> None:
    found = (
        event("Unhealthy", 1200, count=4),
        event("FailedMount", 60),
        event("FailedMount", 120, message="before"),
        event("Old", 4000),
        event("Normal", 10, type="Normal"),
        event("Lost", 600, name="gone-0"),
        event("PrefixTaken", 300, kind="VirtualOrganization", name="atlas"),
    )
    assert told(judge(facts({("events", "facility-batch"): found}))) == [
        (N, "", "Pod facility-batch/gone-0: Lost, once, 10 min ago: Lost it is"),
        (N, "atlas", "VirtualOrganization facility-batch/atlas: PrefixTaken, once, 5 min ago: PrefixTaken it is"),
        (N, "cms", "Pod facility-batch/ap-cms-0: FailedMount, 2 times, the last 1 min ago: FailedMount it is"),
        (N, "cms", "Pod facility-batch/ap-cms-0: Unhealthy, 4 times, the last 20 min ago: Unhealthy it is"),
    ]


def test_a_storm_of_warnings_is_cut_short_and_counted() -> None:
    found = tuple(event("BackOff", 10, name=f"ep-{number}") for number in range(30))
    told_of = judge(facts({("events", "facility-batch"): found}))
    assert len(told_of) == 21
    assert any("10 more warnings" in one.sentence for one in told_of)


def test_the_facility_comes_before_its_vos_and_of_each_the_worst_first() -> None:
    changed = without("broker", "deployments") | vos(vo("cms", AWAY), vo("atlas", NOT_ASKED, AWAY))
    changed |= {("facilityusers", "facility"): (person("alice", reason="SignInAgain"),)}
    found = judge(facts(changed))
    assert [(one.vo, one.severity) for one in found] == [("", E), ("atlas", E), ("cms", W), ("cms", N)]


def test_every_reason_of_a_vo_and_of_a_person_has_a_remedy() -> None:
    code = "".join(path.read_text() for path in (ROOT / "facility/operator").glob("*.py"))
    reasons = set(re.findall(r'Problem\(\s*\w+, "([A-Z]\w+)"', code)) - {"NotLooked", "Removing"}
    assert {"BadSpec", "IssuerTaken", "SecretMissing", "CannotApply"} <= reasons
    assert not reasons - set(remedies.VO)
    people = (ROOT / "facility/broker/people.py").read_text()
    states = set(re.findall(r'^    "([A-Z]\w+)":', people, re.MULTILINE)) - {"SignedIn"}
    assert states == set(remedies.PERSON)
