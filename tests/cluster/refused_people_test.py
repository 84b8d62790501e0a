"""Who must not get in, get another's token, or touch another's jobs; and that each is told why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.person import SignInError
from tests.cluster.cells import cell

pytestmark = pytest.mark.cluster
T = TypeVar("T")

ASK_BROKER = r"""
import json, os, ssl, sys, urllib.error, urllib.parse, urllib.request
asked = json.load(sys.stdin)
form = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token": asked.get("identity") or open("/var/run/identity/token").read(),
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    **asked["form"],
}
url = os.environ["AGENT_BROKER_URL"] + "/token"
trust = ssl.create_default_context()
try:
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=20, context=trust) as answer:
        print(json.dumps({"status": answer.status, "keys": sorted(json.load(answer))}))
except urllib.error.HTTPError as error:
    print(json.dumps({"status": error.code, **json.load(error)}))
"""


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def try_to_sign_in(stage: Stage, vo: world.DemoVO, account: str) -> str:
    """The hub user, or the words of the refusal."""
    async with stage.at_hub(vo, account) as person:
        try:
            return await person.sign_in()
        except SignInError as refusal:
            return f"refused: {refusal}"


def test_a_person_outside_the_allowed_groups_is_told_which_group_is_needed(stage: Stage, outcome: Outcome) -> None:
    told = run(try_to_sign_in(stage, world.CMS, "mallory"))
    assert told.startswith("refused: 403")
    assert "/cms" in told


def test_a_name_that_belongs_to_another_subject_is_refused_with_the_reason(stage: Stage, outcome: Outcome) -> None:
    told = run(try_to_sign_in(stage, world.CMS, "alias"))
    assert told.startswith("refused: 403")
    assert "alice" in told
    owner = stage.cluster.get("facilityuser", "cms-alice", "-n", "facility")
    assert owner["spec"]["sub"] == world.CMS.person.subject


def ask_broker(stage: Stage, identity: str = "", **form: str) -> dict[str, Any]:
    """What the broker says to alice's agent, or to it with another identity."""
    asked = json.dumps({"identity": identity, "form": {"audience": world.ORIGIN, **form}})
    command = ["python3", "-c", ASK_BROKER]
    told = stage.cluster.execute("facility-users", "jupyter-cms-alice", "agent", command, stdin=asked)
    answer: dict[str, Any] = json.loads(told)
    return answer


def test_a_user_pod_gets_its_own_token_and_nobody_elses(stage: Stage, outcome: Outcome) -> None:
    assert ask_broker(stage)["status"] == 200
    refusal = ask_broker(stage, requested_subject="atlas_bob")
    assert refusal["status"] in (400, 403)
    assert refusal["error_description"]


def test_a_token_beyond_the_vos_policy_is_refused_with_what_is_allowed(stage: Stage, outcome: Outcome) -> None:
    refusal = ask_broker(stage, scope="storage.modify:/embargoed")
    assert (refusal["status"], refusal["error"]) == (400, "invalid_scope")
    assert "storage.read:/embargoed" in refusal["error_description"]
    refusal = ask_broker(stage, audience="https://elsewhere.example")
    assert (refusal["status"], refusal["error"]) == (400, "invalid_target")
    assert world.ORIGIN in refusal["error_description"]


@pytest.mark.parametrize("namespace", ["demo", "facility-batch", "facility-users"])
def test_a_pod_of_another_namespace_or_none_gets_no_token(stage: Stage, outcome: Outcome, namespace: str) -> None:
    identity = stage.cluster.do(
        "-n", namespace, "create", "token", "default", "--audience", "token-broker", "--duration", "10m"
    ).strip()
    refusal = ask_broker(stage, identity=identity)
    assert refusal["status"] == 403
    assert refusal["error_description"]


def test_an_identity_made_for_somebody_else_is_refused(stage: Stage, outcome: Outcome) -> None:
    for identity in (
        "not.a.token",
        stage.cluster.do("-n", "facility", "create", "token", "hub", "--duration", "10m").strip(),
    ):
        assert ask_broker(stage, identity=identity)["status"] == 401


CAROL = r"""
import htcondor2, json
schedd = htcondor2.Schedd()
mine = schedd.query('Owner == "cms_carol"', ["ClusterId"])
def tried(what):
    try:
        return str(what())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
def acted(action):
    return dict(schedd.act(action, f"ClusterId == {CLUSTER}"))
sub = {"executable": "/bin/true", "transfer_executable": "false", "request_memory": "10MB"}
spoof = {**sub, "My.Owner": '"cms_alice"', "My.User": '"cms_alice@pool"'}
group = {**sub, "accounting_group": "group_atlas", "accounting_group_user": "atlas_bob",
         "My.AccountingGroup": '"group_atlas.atlas_bob"', "My.VO": '"atlas"'}
def submitted(what):
    placed = schedd.submit(htcondor2.Submit(what), spool=True)
    wanted = ["Owner", "User", "VO", "AccountingGroup", "AcctGroup"]
    ad = dict(schedd.query(f"ClusterId == {placed.cluster()}", wanted)[0])
    schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {placed.cluster()}")
    return {key: str(value) for key, value in ad.items()}
print("RESULT", json.dumps({
    "edit": tried(lambda: schedd.edit(f"ClusterId == {CLUSTER}", "Arguments", '"evil"')),
    "hold": tried(lambda: acted(htcondor2.JobAction.Hold)),
    "remove": tried(lambda: acted(htcondor2.JobAction.Remove)),
    "spoof": tried(lambda: json.dumps(submitted(spoof))),
    "group": tried(lambda: json.dumps(submitted(group))),
    "unspooled": tried(lambda: schedd.submit(htcondor2.Submit({**sub, "hold": "false"}))),
    "local": tried(lambda: schedd.submit(htcondor2.Submit({**sub, "universe": "local"}), spool=True)),
}))
"""

ALICE = r"""
import htcondor2, json
schedd = htcondor2.Schedd()
job = {"executable": "/bin/true", "transfer_executable": "false", "request_memory": "10MB",
       "arguments": "kept"}
print("RESULT", json.dumps({"cluster": schedd.submit(htcondor2.Submit(job), spool=True).cluster()}))
"""

LOOK = r"""
import htcondor2, json
ads = htcondor2.Schedd().query(f"ClusterId == {CLUSTER}", ["Arguments", "Args", "JobStatus", "Owner"])
htcondor2.Schedd().act(htcondor2.JobAction.Remove, f"ClusterId == {CLUSTER}")
print("RESULT", json.dumps([{key: str(value) for key, value in dict(ad).items()} for ad in ads]))
"""


@pytest.fixture(scope="module")
def carols_tries(stage: Stage, outcome: Outcome) -> dict[str, Any]:
    """What carol can do to alice's job, and as whom she can submit."""
    cluster = run(cell(stage, world.CMS, "alice", ALICE))["cluster"]
    tries: dict[str, Any] = run(cell(stage, world.CMS, "carol", f"CLUSTER = {cluster}\n{CAROL}"))
    tries["left"] = run(cell(stage, world.CMS, "alice", f"CLUSTER = {cluster}\n{LOOK}"))
    return tries


def test_nobody_edits_holds_or_removes_anothers_job(carols_tries: dict[str, Any]) -> None:
    assert "Unable to edit" in carols_tries["edit"] or "denied" in carols_tries["edit"].lower()
    assert "'TotalSuccess': 0" in carols_tries["hold"]
    assert "'TotalSuccess': 0" in carols_tries["remove"]
    [job] = carols_tries["left"]
    assert (job["Owner"], job["JobStatus"]) == ("cms_alice", "5")
    assert "kept" in (job.get("Arguments", "") + job.get("Args", ""))


def test_nobody_submits_as_someone_else_or_into_another_vos_account(carols_tries: dict[str, Any]) -> None:
    for case in ("spoof", "group"):
        if carols_tries[case].startswith("{"):
            made = json.loads(carols_tries[case])
            assert made["Owner"] == "cms_carol", case
            assert made.get("VO", "cms") == "cms", case
            assert "atlas" not in made.get("AccountingGroup", "") + made.get("AcctGroup", ""), case
        else:
            assert "Exception" in carols_tries[case], case


def test_what_would_run_on_the_access_point_is_refused_with_a_reason(carols_tries: dict[str, Any]) -> None:
    for case in ("unspooled", "local"):
        assert "Exception" in carols_tries[case], case
        assert "spool" in carols_tries[case] or "universe" in carols_tries[case].lower(), case
