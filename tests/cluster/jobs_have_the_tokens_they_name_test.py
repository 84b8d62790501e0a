"""Jobs on the real cluster: tokens of the services that they name, and waiting where their owner must sign in again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.kernel import CellError
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster.batch import HELD, IDLE, RUNNING, in_kernel, queue
from tests.cluster.changing import change
from tests.cluster.waiting import until_reason

pytestmark = pytest.mark.cluster
BY_A_USER = 1  # HoldReasonCode; what holds for want of a token uses it, too, with a subcode of its own
#: what a job runs that tells which tokens it has
TELL = """
import base64, json, os, pathlib
def claims(path):
    payload = path.read_text().split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: found.get(name) for name in ("aud", "scope", "sub")}
creds = pathlib.Path(os.environ["_CONDOR_CREDS"])
print(json.dumps({path.name: claims(path) for path in sorted(creds.glob("*.use"))}))
"""
TOLD = """
more = {"executable": "/opt/venv/bin/python", "arguments": "tell.py", "transfer_input_files": "tell.py"}
jobs = {name: sent(**more, **how, output=f"{name}.txt") for name, how in (
    ("plain", {}), ("named", {"use_oauth_services": "rucio", "rucio_oauth_permissions": "openid"}))}
for cluster in jobs.values():
    until(cluster, 4)
    schedd.retrieve(f"ClusterId == {cluster}")
    schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {cluster}")
print("RESULT", json.dumps({name: json.load(open(f"{name}.txt")) for name in jobs}))
"""
#: one job runs on a whole pod, one waits for it, and one is held by its owner
THREE = """
whole = {"request_cpus": "4"}
running = sent(**whole)
until(running, 2)
waiting, own = sent(**whole), sent(**whole)
until(own, 1)
schedd.act(htcondor2.JobAction.Hold, f"ClusterId == {own}", reason="not now")
until(own, 5)
print("RESULT", json.dumps({"running": running, "waiting": waiting, "own": own}))
"""


async def run(stage: Stage, account: str, code: str, seconds: float = 300) -> str:
    """What a cell printed in a kernel of that person of cms, who has `tell.py`."""
    return await in_kernel(stage, account, code, seconds, {"tell.py": TELL})


def test_a_job_has_the_lakes_token_and_of_others_exactly_what_it_names(stage: Stage, outcome: Outcome) -> None:
    told = result(asyncio.run(run(stage, "alice", TOLD)))
    lake = told["plain"]["cms.use"]
    assert set(told["plain"]) == {"cms.use"}
    assert set(told["named"]) == {"cms.use", "rucio.use"}
    rucio = told["named"]["rucio.use"]
    assert world.ORIGIN in str(lake["aud"])
    assert world.RUCIO in str(rucio["aud"])
    assert world.ORIGIN not in str(rucio["aud"])
    assert "storage" not in rucio["scope"]
    assert rucio["sub"] == lake["sub"] == world.CMS.person.subject


def test_a_job_that_names_another_service_is_refused_with_a_sentence(stage: Stage, outcome: Outcome) -> None:
    with pytest.raises(CellError, match="jobs of cms may name cms, rucio"):
        asyncio.run(run(stage, "alice", "sent(use_oauth_services='vault')"))


@pytest.fixture
def carol(stage: Stage, outcome: Outcome) -> Iterator[str]:
    """A person of cms whose session may end; nothing of hers is left afterwards."""
    limit(stage, 4)  # one job's cores
    yield "carol"
    limit(stage, None)
    change(stage, world.CMS, "carol", aup_due=False)
    with suppress(ClusterError):  # there may be none
        queue(stage, "condor_rm", "-constraint", 'Owner == "cms_carol"')

    async def stop() -> None:
        async with stage.at_hub(world.CMS, "carol") as person:
            await person.sign_in()
            await person.stop()

    asyncio.run(stop())


def limit(stage: Stage, cores: int | None) -> None:
    """How many cores one person of cms may have at a time; None: as many as there are."""
    patch = json.dumps({"spec": {"batch": {"maxCpusPerPerson": cores}}})
    stage.cluster.do("patch", "vo", world.CMS.name, "-n", "facility", "--type=merge", "-p", patch)


def test_jobs_wait_for_a_sign_in_and_go_on_by_themselves_after_it(stage: Stage, carol: str) -> None:
    jobs = result(asyncio.run(run(stage, carol, THREE, 400)))
    change(stage, world.CMS, carol, aup_due=True)
    until_reason(stage, "cms-carol", "SignInAgain", 120)
    seen = until_held(stage, jobs["waiting"], 2 * world.TOKEN_LIFE)
    assert world.HUB in seen[jobs["waiting"]]["HoldReason"]
    assert seen[jobs["running"]]["JobStatus"] == RUNNING, "a running job goes on while its token is good"
    seen = until_held(stage, jobs["running"], 2 * world.TOKEN_LIFE)
    assert world.HUB in seen[jobs["running"]]["HoldReason"]
    change(stage, world.CMS, carol, aup_due=False)
    asyncio.run(run(stage, carol, "print('in again')"))
    free = lambda: all(job(stage, jobs[name])["JobStatus"] in (IDLE, RUNNING) for name in ("running", "waiting"))  # noqa: E731
    stage.cluster.wait_for("the jobs after the sign-in", free, 60)
    own = job(stage, jobs["own"])
    assert (own["JobStatus"], own["HoldReasonCode"], own.get("HoldReasonSubCode", 0)) == (HELD, BY_A_USER, 0)


def until_held(stage: Stage, cluster: int, seconds: float) -> dict[int, dict[str, Any]]:
    """Carol's jobs by number, as they were when this one was first seen to wait for a sign-in."""
    last: dict[int, dict[str, Any]] = {}

    def waits() -> bool:
        last.update({one["ClusterId"]: one for one in ads(stage)})
        one = last[cluster]
        return (one["JobStatus"], one.get("HoldReasonCode"), one.get("HoldReasonSubCode")) == (HELD, 1, 401)

    stage.cluster.wait_for(f"job {cluster} held for a sign-in", waits, seconds)
    return last


def job(stage: Stage, cluster: int) -> dict[str, Any]:
    """One of carol's jobs."""
    return next(one for one in ads(stage) if one["ClusterId"] == cluster)


def ads(stage: Stage) -> list[dict[str, Any]]:
    """Carol's jobs, as the access point has them."""
    shown = "ClusterId,JobStatus,HoldReason,HoldReasonCode,HoldReasonSubCode"
    told = queue(stage, "condor_q", "-all", "-constraint", 'Owner == "cms_carol"', "-json", "-attributes", shown)
    found: list[dict[str, Any]] = json.loads(told) if told.strip() else []
    return found
