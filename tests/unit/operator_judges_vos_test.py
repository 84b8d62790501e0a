"""Which VOs may be built, and what a person is told about those that may not. Pure: facts in, verdicts out."""

from __future__ import annotations

from typing import Any

import pytest

from facility.operator.facts import Facts, Issuer
from facility.operator.objects import Manifest
from facility.operator.validate import RefusedVO, ValidatedVO, Verdict, validate
from facility.operator.validate import judge as judge_one
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import user, vo

GOOD = frozenset({"client_id", "client_secret"})
ISSUER = "https://iam.example.org/"


def judge(*vos: Manifest, users: tuple[Manifest, ...] = (), **more: Any) -> dict[str, Verdict]:
    """Verdicts by name, where issuers and clients are good unless `more` says otherwise."""
    issuers = {one["spec"]["issuer"]: Issuer(one["spec"]["issuer"], keys=1, seen=True) for one in vos}
    secrets = {f"{one['metadata']['name']}-client": GOOD for one in vos}
    facts = Facts(vos, users, **({"issuers": issuers, "secrets": secrets} | more))
    return {verdict.name: verdict for verdict in validate(facts)}


def problem(verdict: Verdict) -> tuple[str, str, str]:
    """Condition, reason and sentence of its first problem."""
    assert isinstance(verdict, RefusedVO)
    first = verdict.problems[0]
    return first.condition, first.reason, first.message


def test_a_good_vo_is_validated_with_its_people_and_nobody_elses() -> None:
    verdict = judge(vo("cms"), users=(user("alice"), user("bob", "atlas")))["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert [one.hub_user for one in verdict.users] == ["cms-alice"]


def test_a_malformed_person_is_nobody_and_stops_nobody() -> None:
    wrong = user("eve")
    wrong["spec"]["sub"] = 'two words"'
    renamed = user("carol")
    renamed["metadata"]["name"] = "cms-alice2"
    verdict = judge(vo("cms"), users=(wrong, renamed, user("alice")))["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert [one.hub_user for one in verdict.users] == ["cms-alice"]


def test_a_name_that_is_no_vo_name_is_told_with_the_rule() -> None:
    condition, reason, message = problem(judge(vo("c-ms"))["c-ms"])
    assert (condition, reason) == ("Ready", "BadName")
    assert "1 to 15 of a-z and 0-9" in message


def test_a_bad_spec_is_told_with_the_place_of_the_mistake() -> None:
    _, reason, message = problem(judge(vo("cms", "http://iam.example.org"))["cms"])
    assert reason == "BadSpec"
    assert message.startswith("issuer: ")
    assert "must be an https URL" in message


def test_an_unknown_key_is_a_mistake_too() -> None:
    _, reason, message = problem(judge(vo("cms", issuers="typo"))["cms"])
    assert (reason, message.split(":")[0]) == ("BadSpec", "issuers")


def test_an_issuer_that_a_map_file_cannot_hold_is_refused_before_it_gets_there() -> None:
    issuer = 'https://iam.example.org/"x'
    _, reason, message = problem(judge(vo("cms", issuer))["cms"])
    assert reason == "BadSpec"
    assert "quote" in message


@pytest.mark.parametrize("named", [ISSUER, ISSUER.rstrip("/")])
def test_an_issuer_may_write_itself_with_or_without_one_trailing_slash(named: str) -> None:
    found = judge(vo("cms"), issuers={ISSUER: Issuer(named, keys=1)})
    assert isinstance(found["cms"], ValidatedVO)


def test_an_issuer_that_differs_by_a_slash_is_told_with_both_and_what_counts() -> None:
    verdict = judge(vo("cms"), issuers={ISSUER: Issuer(ISSUER.rstrip("/"), keys=1)})["cms"]
    (remark,) = verdict.warnings if isinstance(verdict, ValidatedVO) else ()
    assert (remark.condition, remark.reason, remark.state) == ("IssuerReachable", "IssuerDiffersBySlash", "True")
    assert f"{ISSUER} " in remark.message
    assert f"{ISSUER.rstrip('/')}:" in remark.message
    assert "claim iss" in remark.message


def test_an_issuer_that_names_another_is_refused() -> None:
    found = judge(vo("cms"), issuers={ISSUER: Issuer("https://other.example.org", keys=1, seen=True)})
    condition, reason, message = problem(found["cms"])
    assert (condition, reason) == ("IssuerReachable", "IssuerMismatch")
    assert "https://other.example.org" in message
    assert ISSUER in message


def test_an_issuer_without_signing_keys_is_refused() -> None:
    found = judge(vo("cms"), issuers={ISSUER: Issuer(ISSUER, keys=0)})
    assert problem(found["cms"])[:2] == ("IssuerReachable", "IssuerWithoutKeys")


def test_an_issuer_that_never_answered_keeps_a_new_vo_waiting() -> None:
    found = judge(vo("cms"), issuers={ISSUER: Issuer(error="no answer within 5 s")})
    condition, reason, message = problem(found["cms"])
    assert (condition, reason) == ("IssuerReachable", "IssuerUnreachable")
    assert "no answer within 5 s" in message


def served(generation: int) -> Manifest:
    """A VO whose first spec was found good."""
    manifest = vo("cms")
    manifest["metadata"]["generation"] = generation
    ready = {"type": "Ready", "status": "True", "reason": "Served"}
    return manifest | {"status": {"observedGeneration": 1, "conditions": [ready]}}


def test_an_outage_does_not_touch_a_vo_that_was_served() -> None:
    verdict = judge(served(1), issuers={ISSUER: Issuer(error="away")})["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert verdict.warnings[0].reason == "IssuerUnreachable"


def test_an_outage_does_not_touch_a_vo_whose_issuer_has_answered_this_operator() -> None:
    verdict = judge(served(2), issuers={ISSUER: Issuer(error="away", seen=True)})["cms"]
    assert isinstance(verdict, ValidatedVO)


def test_a_vo_that_was_edited_while_no_operator_ran_is_not_left_out_until_its_issuer_is_asked() -> None:
    verdict = judge(served(2), issuers={})["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert verdict.warnings[0].reason == "IssuerUnreachable"


def test_a_new_vo_is_left_out_until_its_issuer_is_asked() -> None:
    assert problem(judge(vo("cms"), issuers={})["cms"])[1] == "IssuerUnreachable"


def test_a_spec_that_was_never_found_good_is_not_taken_on_trust() -> None:
    assert isinstance(judge(served(2), issuers={ISSUER: Issuer(error="away")})["cms"], RefusedVO)


def test_a_missing_client_secret_is_named_with_its_keys() -> None:
    condition, reason, message = problem(judge(vo("cms"), secrets={})["cms"])
    assert (condition, reason) == ("ClientReady", "SecretMissing")
    assert "cms-client" in message
    assert "client_id and client_secret" in message


def test_a_client_secret_that_lacks_a_key_is_told_which() -> None:
    found = judge(vo("cms"), secrets={"cms-client": frozenset({"client_id"})})
    condition, reason, message = problem(found["cms"])
    assert (condition, reason) == ("ClientReady", "SecretIncomplete")
    assert message.endswith("client_secret")


@pytest.mark.parametrize("name", ["hub-secrets", "facility-ca", "broker-key", "session-cms-alice", "tls-broker"])
def test_the_facilitys_own_secrets_are_nobodys_client(name: str) -> None:
    found = judge(vo("cms", clientSecret={"name": name}), secrets={name: GOOD})
    assert problem(found["cms"])[:2] == ("ClientReady", "SecretReserved")


def test_the_client_for_exchanges_is_looked_at_as_the_other_one() -> None:
    spec = {"tokens": {"grant": "Exchange", "exchangeClient": {"name": "cms-exchange"}}}
    assert problem(judge(vo("cms", **spec))["cms"])[1] == "SecretMissing"
    good = {"cms-client": GOOD, "cms-exchange": GOOD}
    assert isinstance(judge(vo("cms", **spec), secrets=good)["cms"], ValidatedVO)
    spec["tokens"]["exchangeClient"] = {"name": "broker-key"}
    assert problem(judge(vo("cms", **spec), secrets=good | {"broker-key": GOOD})["cms"])[1] == "SecretReserved"


ROBOT = {
    "lakes": [
        {
            "prefix": "/x",
            "origin": "root://d.test",
            "audience": "a",
            "scopes": ["storage.read:/"],
            "credential": "Robot",
        }
    ],
    "cache": {"robot": {"name": "cms-robot"}},
}


@pytest.mark.parametrize(
    ("keys", "reason"), [(None, "SecretMissing"), ({"tls.crt"}, "SecretIncomplete"), ({"tls.crt", "tls.key"}, "")]
)
def test_a_robots_secret_has_to_be_there_before_a_cache_waits_for_it(keys: set[str] | None, reason: str) -> None:
    held = {"cms-client": GOOD} | ({} if keys is None else {"cms-robot": frozenset(keys)})
    verdict = judge(vo("cms", **ROBOT), secrets=held)["cms"]
    assert isinstance(verdict, RefusedVO if reason else ValidatedVO)
    if reason:
        assert problem(verdict)[:2] == ("RobotReady", reason)


def test_a_vo_that_is_served_goes_on_without_its_robots_secret() -> None:
    manifest = served(1) | {"spec": vo("cms", **ROBOT)["spec"]}
    verdict = judge(manifest)["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert [one.reason for one in verdict.warnings] == ["SecretMissing"]


def test_the_facilitys_own_secrets_are_no_robots() -> None:
    spec = ROBOT | {"cache": {"robot": {"name": "broker-key"}}}
    assert problem(judge(vo("cms", **spec))["cms"])[:2] == ("RobotReady", "SecretReserved")


def test_a_lake_that_wants_a_robot_where_there_is_none_is_refused() -> None:
    assert "cache.robot" in problem(judge(vo("cms", **ROBOT | {"cache": {}}))["cms"])[2]


def test_an_issuer_belongs_to_the_older_vo() -> None:
    found = judge(vo("younger", ISSUER, created=2), vo("older", ISSUER.rstrip("/"), created=1))
    assert isinstance(found["older"], ValidatedVO)
    _, reason, message = problem(found["younger"])
    assert reason == "IssuerTaken"
    assert "older VO older" in message


@pytest.mark.parametrize("prefix", ["/cms", "/cms/open", "/"])
def test_a_lake_prefix_belongs_to_the_older_vo(prefix: str) -> None:
    lake = {"prefix": prefix, "origin": "https://o.example.org", "audience": "a", "scopes": ["storage.read:/"]}
    found = judge(vo("cms"), vo("copy", "https://copy.example.org", created=2, lakes=[lake]))
    assert isinstance(found["cms"], ValidatedVO)
    assert problem(found["copy"])[1] in ("PrefixTaken", "BadSpec")


def test_a_prefix_that_only_begins_alike_is_another() -> None:
    found = judge(vo("cms"), vo("cms2", "https://cms2.example.org", created=2))
    assert all(isinstance(verdict, ValidatedVO) for verdict in found.values())


def test_an_older_vo_that_cannot_be_used_keeps_what_is_its_own() -> None:
    found = judge(vo("older"), vo("younger", ISSUER, created=2), secrets={"younger-client": GOOD})
    assert problem(found["older"])[1] == "SecretMissing"
    assert problem(found["younger"])[1] == "IssuerTaken"


def test_every_problem_of_a_vo_is_told_at_once() -> None:
    verdict = judge(vo("cms"), issuers={ISSUER: Issuer(error="away")}, secrets={})["cms"]
    assert isinstance(verdict, RefusedVO)
    assert [one.reason for one in verdict.problems] == ["IssuerUnreachable", "SecretMissing"]


CLOSED = ({"suspended": True}, {"deleting": True})


def closed(how: dict[str, bool], **spec: Any) -> Manifest:
    """A VO that nobody may use now."""
    manifest = vo("cms", suspended=how.get("suspended", False), **spec)
    if how.get("deleting"):
        manifest["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return manifest


@pytest.mark.parametrize("how", CLOSED)
@pytest.mark.parametrize(
    ("issuers", "secrets"),
    [
        ({}, {"cms-client": GOOD}),
        ({ISSUER: Issuer(error="away")}, {"cms-client": GOOD}),
        ({ISSUER: Issuer("https://other.example.org", keys=1)}, {"cms-client": GOOD}),
        ({ISSUER: Issuer(ISSUER, keys=0)}, {}),
    ],
)
def test_nothing_outside_keeps_a_vo_from_being_closed(how: dict[str, bool], issuers: Any, secrets: Any) -> None:
    verdict = judge(closed(how), issuers=issuers, secrets=secrets)["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert verdict.warnings


def test_a_closed_vos_issuer_that_nobody_asks_is_neither_good_nor_bad() -> None:
    verdict = judge(closed({"suspended": True}), issuers={})["cms"]
    assert isinstance(verdict, ValidatedVO)
    assert [(one.reason, one.state) for one in verdict.warnings] == [("NotLooked", "Unknown")]


@pytest.mark.parametrize("how", CLOSED)
def test_a_closed_vo_keeps_what_is_its_own(how: dict[str, bool]) -> None:
    found = judge(closed(how), vo("younger", ISSUER, created=2))
    assert problem(found["younger"])[1] == "IssuerTaken"


def test_a_host_without_an_address_is_told_and_holds_nothing_up() -> None:
    listed = vo("cms", network={"allow": [{"host": "db.example.org"}, {"host": "a.example.org"}]})
    found = judge(listed, hosts={"a.example.org": ("192.0.2.1",), "db.example.org": ()})["cms"]
    assert isinstance(found, ValidatedVO)
    assert [(one.condition, one.reason) for one in found.warnings] == [("NetworkReady", "HostUnknown")]
    assert "db.example.org" in found.warnings[0].message
    assert "a.example.org" not in found.warnings[0].message
    assert found.addresses == {"a.example.org": ("192.0.2.1",)}


@pytest.mark.parametrize("cidr", ["169.254.169.254/32", "169.254.0.0/16", "fe80::/64", "fd00:ec2::254/128"])
def test_no_vo_may_list_the_metadata_service(cidr: str) -> None:
    _, reason, message = problem(judge(vo("cms", network={"allow": [{"cidr": cidr}]}))["cms"])
    assert reason == "BadSpec"
    assert cidr in message


def test_one_vo_is_judged_as_all_are() -> None:
    manifest = vo("younger", ISSUER, created=2)
    facts = Facts((manifest,), (), {ISSUER: Issuer(ISSUER, keys=1)}, {"younger-client": GOOD})
    older = VirtualOrganization.parse(vo("older"))
    assert problem(judge_one(manifest, facts, [older], ()))[1] == "IssuerTaken"
    assert isinstance(judge_one(manifest, facts, [], ()), ValidatedVO)
