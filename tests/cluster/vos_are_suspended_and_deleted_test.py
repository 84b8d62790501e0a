"""A VO is suspended, opened again, and deleted while its people work: everything of it follows, nothing else does."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.person import SignInError
from tests.cluster import forge, lakes, last_bytes
from tests.cluster.cells import cell
from tests.cluster.waiting import ready, until_gone, until_token, until_usable

pytestmark = pytest.mark.cluster
VO = world.ATLAS
POD = "jupyter-atlas-bob"
#: seconds until a suspended VO's last byte has gone out, as docs/explanation/what-a-cache-does.md has it
LAST_BYTE = 30

#: in the folder of the main job: its submit.py waits where the central manager has just come back
SPOOL = r"""
import htcondor2, json, submit
description = htcondor2.Submit({"executable": "/bin/sleep", "arguments": "600", "transfer_executable": "false",
                                "request_memory": "10MB"})
schedd = submit.located()
placed = schedd.submit(description, count=2, spool=True)
schedd.spool(placed)
print("RESULT", json.dumps(placed.cluster()))
"""

REMOVE = r"""
import htcondor2, submit
submit.located().act(htcondor2.JobAction.Remove, f"ClusterId == {CLUSTER}")
"""

READ = r"""
import os, json, subprocess
done = subprocess.run(["xrdcp", "-f", os.environ["LAKE_ROOT"] + PATH, "/tmp/copy"], capture_output=True, text=True)
print("RESULT", json.dumps([done.returncode, done.stderr[-300:]]))
"""


def patch(stage: Stage, vo: world.DemoVO, **spec: Any) -> None:
    stage.cluster.do("patch", "vo", vo.name, "-n", "facility", "--type=merge", "-p", json.dumps({"spec": spec}))


async def read(stage: Stage, vo: world.DemoVO) -> Any:
    """What came of the VO's person reading its file in their notebook."""
    return await cell(stage, vo, vo.person.name, f"PATH = {vo.file!r}\n{READ}")


async def told(stage: Stage, vo: world.DemoVO) -> str:
    """What somebody who signs in is told."""
    async with stage.at_hub(vo, vo.person.name) as person:
        try:
            return await person.sign_in()
        except SignInError as refusal:
            return str(refusal)


def in_pod(stage: Stage, *command: str) -> str:
    return stage.cluster.execute("facility-users", POD, "notebook", command)


def queue(stage: Stage) -> list[list[Any]]:
    """(state, reason of hold) of the jobs of bob that have not ended, as the access point itself has them."""
    command = ["condor_q", "-name", f"ap@ap-{VO.name}.facility-batch.svc", "-all", "-constraint", "JobStatus != 4"]
    command += ["-af", "JobStatus", "HoldReason"]
    lines = stage.cluster.execute("facility-batch", f"ap-{VO.name}-0", "access-point", command).splitlines()
    return [[int(line.split()[0]), line.partition(" ")[2]] for line in lines if line.strip()]


@contextmanager
def read_on(stage: Stage, seconds: float) -> Iterator[Future[str]]:
    """Somebody reads at the VO's cache for so long, from now on, with a token that nobody can take back."""
    path, begun = f"/{VO.name}/embargoed/long-{secrets.token_hex(4)}", f"begun-{secrets.token_hex(4)}"
    wish = {"host": f"xcache-{VO.name}.facility.svc", "path": path, "seconds": seconds, "begun": f"/tmp/{begun}"}
    asked = json.dumps(wish | {"token": forge.token(VO, scope="storage.read:/", life=10 * seconds)})
    lakes.put(stage, path, 64 << 20)
    with ThreadPoolExecutor(1) as beside:
        command = ["python3", "-c", Path(last_bytes.__file__).read_text()]
        where = ("facility-users", POD, "notebook", command)
        told = beside.submit(stage.cluster.execute, *where, stdin=asked, timeout=2 * seconds)
        stage.cluster.wait_for("all read", lambda: begun in in_pod(stage, "ls", "/tmp").split() or told.done(), 30)
        yield told
    lakes.remove(stage, path)


@pytest.fixture(scope="module")
def suspended(stage: Stage, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """atlas, suspended while bob's notebook runs and two of his jobs are queued; its servers are kept at first."""
    found: dict[str, Any] = {"cluster": asyncio.run(cell(stage, VO, VO.person.name, SPOOL))}
    found["others"] = stage.cluster.get("pod", "xcache-cms-0", "-n", "facility")["metadata"]["uid"]
    found["pod"] = stage.cluster.get("pod", POD, "-n", "facility-users")["metadata"]["uid"]
    with read_on(stage, LAST_BYTE + 15) as reads:
        found |= {"reads": reads, "patched": time.time()}
        patch(stage, VO, suspended=True, removal={"servers": "Keep"})
        yield found
    patch(stage, VO, suspended=False, removal={"servers": "Stop"})
    until_usable(stage, VO)


def test_the_status_and_the_sign_in_page_say_so(stage: Stage, suspended: dict[str, Any]) -> None:
    stage.cluster.wait_for("reason Suspended", lambda: ready(stage, VO) == ("False", "Suspended"), 20)
    refusal = asyncio.run(told(stage, VO))
    assert "suspended" in refusal, refusal


def test_token_files_are_gone_within_seconds(stage: Stage, suspended: dict[str, Any]) -> None:
    until_token(stage, POD, there=False)
    assert "suspended" in in_pod(stage, "cat", "/run/token/status.json")


def test_the_cache_is_closed_and_keeps_its_volume(stage: Stage, suspended: dict[str, Any]) -> None:
    labels = f"app.kubernetes.io/component=xcache,analysis-facility.io/vo={VO.name}"
    until_gone(stage, "pods", "facility", labels)
    assert stage.cluster.get("pvc", f"cache-xcache-{VO.name}-0", "-n", "facility")


def test_jobs_are_held_with_the_reason(stage: Stage, suspended: dict[str, Any]) -> None:
    held = lambda: bool(jobs := queue(stage)) and all(state == 5 for state, _ in jobs)  # noqa: E731
    stage.cluster.wait_for("all jobs held", held, 150)
    assert all("suspended" in reason for _, reason in queue(stage))
    execute = (
        "pods",
        "-n",
        "facility-batch",
        "-l",
        f"app.kubernetes.io/component=execute,analysis-facility.io/vo={VO.name}",
    )
    stage.cluster.wait_for("execute pods gone", lambda: not running(stage, *execute), 60)


def running(stage: Stage, *chosen: str) -> list[str]:
    pods = stage.cluster.items(*chosen)
    return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]


def test_another_vo_notices_nothing(stage: Stage, suspended: dict[str, Any]) -> None:
    assert stage.cluster.get("pod", "xcache-cms-0", "-n", "facility")["metadata"]["uid"] == suspended["others"]
    status, text = asyncio.run(read(stage, world.CMS))
    assert status == 0, text


def test_the_last_byte_goes_out_within_half_a_minute(stage: Stage, suspended: dict[str, Any]) -> None:
    """By new opens and by what was open, of both protocols, with a good token; until that moment all were served."""
    told = json.loads(suspended["reads"].result())
    took = {way: round(moment - suspended["patched"], 1) for way, moment in told["last"].items()}
    print(took)
    assert len(took) == 4
    assert all(0 < seconds <= LAST_BYTE for seconds in took.values()), told


def test_opened_again_the_same_notebook_reads_without_a_new_sign_in(stage: Stage, suspended: dict[str, Any]) -> None:
    patch(stage, VO, suspended=False)
    until_usable(stage, VO)
    until_token(stage, POD, there=True)
    assert stage.cluster.get("pod", POD, "-n", "facility-users")["metadata"]["uid"] == suspended["pod"]
    read = f"xrdcp -f $LAKE_ROOT{VO.file} /tmp/copy && stat -c %s /tmp/copy"
    assert int(in_pod(stage, "sh", "-c", read).split()[-1]) > 1000


def test_held_jobs_are_released(stage: Stage, suspended: dict[str, Any]) -> None:
    free = lambda: all(state in (1, 2) for state, _ in queue(stage))  # noqa: E731
    stage.cluster.wait_for("all jobs released", free, 90)
    asyncio.run(cell(stage, VO, VO.person.name, f"CLUSTER = {suspended['cluster']}\n{REMOVE}\nprint('RESULT 0')"))


def test_servers_are_stopped_where_the_vo_says_so(stage: Stage, suspended: dict[str, Any]) -> None:
    patch(stage, VO, suspended=True, removal={"servers": "Stop"})
    until_gone(stage, "pods", "facility-users", "analysis-facility.io/vo=atlas")
    assert stage.cluster.get("pvc", "home-atlas-bob", "-n", "facility-users")


def sessions(stage: Stage, vo: str) -> list[dict[str, Any]]:
    chosen = f"analysis-facility.io/component=session,analysis-facility.io/vo={vo}"
    return stage.cluster.items("secrets", "-n", "facility", "-l", chosen)


def delete(stage: Stage, vo: world.DemoVO) -> float:
    """Seconds until the object is gone."""
    began = time.monotonic()
    stage.cluster.do("delete", "vo", vo.name, "-n", "facility", "--wait=false")
    stage.cluster.wait_for(f"VO {vo.name} gone", lambda: not exists(stage, vo), 120)
    return time.monotonic() - began


def exists(stage: Stage, vo: world.DemoVO) -> bool:
    return vo.name in [one["metadata"]["name"] for one in stage.cluster.items("vo", "-n", "facility")]


def use(stage: Stage, vo: world.DemoVO) -> None:
    """The VO's person signs in and reads."""
    stage.cluster.apply(world.manifest(vo))
    until_usable(stage, vo)
    status, text = asyncio.run(read(stage, vo))
    assert status == 0, text


def test_a_deleted_vo_takes_sessions_servers_and_cache_with_it_and_leaves_homes(stage: Stage, outcome: Outcome) -> None:
    use(stage, world.ESCAPE)
    assert sessions(stage, "escape")
    took = delete(stage, world.ESCAPE)
    assert took < 60
    assert not sessions(stage, "escape")
    # ended, all of them; the kubelet may need a moment to say so
    until_gone(stage, "pods", "facility-users", "analysis-facility.io/vo=escape", 20)
    until_gone(stage, "pvc", "facility", "analysis-facility.io/vo=escape")
    assert stage.cluster.get("pvc", "home-escape-dave", "-n", "facility-users")
    brokers = ("-l", "app.kubernetes.io/name=broker", "-n", "facility", "--tail=-1")
    assert "refresh token of escape-dave revoked" in stage.cluster.do("logs", *brokers)
    refusal = asyncio.run(told(stage, world.ESCAPE))
    assert "escape" in refusal, refusal


def test_a_vo_goes_also_when_its_issuer_is_gone(stage: Stage, outcome: Outcome) -> None:
    use(stage, world.ESCAPE)
    try:
        stage.cluster.do("scale", "deploy/iam-escape", "-n", "demo", "--replicas=0")
        took = delete(stage, world.ESCAPE)
    finally:
        stage.cluster.do("scale", "deploy/iam-escape", "-n", "demo", "--replicas=1")
        stage.cluster.do("rollout", "status", "deploy/iam-escape", "-n", "demo", "--timeout=60s")
    assert took < 100
    assert not sessions(stage, "escape")


def test_the_same_vo_can_come_back(stage: Stage, outcome: Outcome) -> None:
    before = stage.cluster.get("facilityuser", "escape-dave", "-n", "facility")["spec"]["uid"]
    use(stage, world.ESCAPE)
    assert stage.cluster.get("facilityuser", "escape-dave", "-n", "facility")["spec"]["uid"] == before


def test_a_lake_comes_and_goes_with_its_entry(stage: Stage, outcome: Outcome) -> None:
    lakes = world.manifest(world.ESCAPE)["spec"]["lakes"]
    patch(stage, world.ESCAPE, lakes=[])
    with_cache = lambda: "xcache-escape" in stage.cluster.do("get", "statefulsets", "-n", "facility", "-o", "name")  # noqa: E731
    stage.cluster.wait_for("the cache withdrawn", lambda: not with_cache(), 60)
    patch(stage, world.ESCAPE, lakes=lakes)
    until_usable(stage, world.ESCAPE)
    status, text = asyncio.run(read(stage, world.ESCAPE))
    assert status == 0, text


def test_a_person_has_no_way_to_a_vo_that_is_not_there(stage: Stage, outcome: Outcome) -> None:
    with pytest.raises(ClusterError):
        stage.cluster.get("vo", "lhcb", "-n", "facility")
    nobody = world.DemoVO("lhcb", "none", world.CMS.port, "", world.CMS.people)
    assert "404" in asyncio.run(told(stage, nobody))
