"""Jobs of people of cms in the cluster tests: sent from notebooks, looked at where the queue is and where they run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from facility import names
from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage
from tests.cluster.node import on_node
from tests.cluster.shipping import ship

BATCH = "facility-batch"
#: JobStatus
IDLE, RUNNING, DONE, HELD = 1, 2, 4, 5
#: what the kernel runs before all else
SENDING = """
import json, time, htcondor2, submit
schedd = submit.located()
def sent(**more):
    plain = {"executable": "/bin/sleep", "arguments": "600", "transfer_executable": "false", "request_memory": "100MB",
             "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT", "log": "sent.log"}
    placed = schedd.submit(htcondor2.Submit(plain | more), spool=True)
    schedd.spool(placed)
    return placed.cluster()
def status(cluster):
    return [job["JobStatus"] for job in schedd.query(f"ClusterId == {cluster}", ["JobStatus"])][0]
def until(cluster, wanted, seconds=180):
    end = time.monotonic() + seconds
    while status(cluster) != wanted:
        assert time.monotonic() < end, dict(schedd.query(f"ClusterId == {cluster}")[0])
        time.sleep(1)
"""


async def in_kernel(
    stage: Stage, account: str, code: str, seconds: float = 300, files: Mapping[str, str] | None = None
) -> str:
    """What a cell printed in a kernel of that person of cms, who has these files and the demo's submit code."""
    async with stage.at_hub(world.CMS, account) as person:
        await person.sign_in()
        await person.spawn()
        await ship(person, "submit")
        for name, text in (files or {}).items():
            await person.put(name, text)
        async with person.kernel() as kernel:
            await kernel.run(SENDING)
            return await kernel.run(code, seconds)


def queue(stage: Stage, *command: str) -> str:
    """Output of one of HTCondor's tools at the access point of cms."""
    return stage.cluster.execute(BATCH, "ap-cms-0", "access-point", list(command))


def job(stage: Stage, cluster: int, *attributes: str) -> dict[str, Any]:
    """Attributes of a job; empty once it has left the queue."""
    shown = ",".join(("ClusterId", "JobStatus", *attributes))
    told = queue(stage, "condor_q", "-all", "-constraint", f"ClusterId == {cluster}", "-json", "-attributes", shown)
    found: list[dict[str, Any]] = json.loads(told) if told.strip() else []
    return found[0] if found else {}


def statuses(stage: Stage, clusters: Iterable[int]) -> dict[int, int]:
    """JobStatus of those that are in the queue, asked at once."""
    wanted = " || ".join(f"ClusterId == {one}" for one in clusters)
    told = queue(stage, "condor_q", "-all", "-constraint", wanted, "-af", "ClusterId", "JobStatus")
    return {int(number): int(status) for number, status in (line.split() for line in told.splitlines())}


def until(stage: Stage, cluster: int, status: int, seconds: float = 120) -> float:
    """A job has that status. Seconds that it took."""
    return stage.cluster.wait_for(
        f"job {cluster} in status {status}", lambda: job(stage, cluster).get("JobStatus") == status, seconds
    )


def remove_all(stage: Stage, owner: str) -> None:
    """No job of theirs is left in the queue."""
    mine = f'Owner == "{owner}"'
    if ids(stage, f"{mine} && JobStatus =!= 3"):
        with suppress(ClusterError):  # a job that has left meanwhile is not found; who has not is waited for
            queue(stage, "condor_rm", "-constraint", f"{mine} && JobStatus =!= 3")
    stage.cluster.wait_for(f"no job of {owner}", lambda: not ids(stage, mine), 90)


def ids(stage: Stage, constraint: str) -> list[str]:
    """Numbers of the jobs at cms for which that is true."""
    return queue(stage, "condor_q", "-all", "-constraint", constraint, "-af", "ClusterId").split()


def pods(stage: Stage, owner: str) -> list[dict[str, Any]]:
    """Execute pods of an owner that have not ended."""
    chosen = f"{names.LABEL_COMPONENT}=execute,{names.LABEL_OWNER}={owner}"
    found = stage.cluster.items("pods", "-n", BATCH, "-l", chosen)
    return [one for one in found if one["status"].get("phase") in ("Pending", "Running")]


def where(stage: Stage, cluster: int) -> str:
    """The execute pod in which a job runs: RemoteHost is slot1_1@<pod>."""
    return str(job(stage, cluster, "RemoteHost").get("RemoteHost", "")).rpartition("@")[2]


def lose(stage: Stage, pod: str) -> None:
    """As if the node of an execute pod had burnt: nothing comes from it any more, and nobody says so."""
    if not stage.node:
        pytest.skip("nobody's node but kind's is at hand")
    address = stage.cluster.get("pod", pod, "-n", BATCH)["status"]["podIP"]
    device = f"$(ip -o route get {address} | sed 's/.* dev \\([^ ]*\\).*/\\1/')"
    on_node(stage, f"ip link set {device} down")


def phase(stage: Stage, pod: str) -> str:
    """Of an execute pod; "Gone" once there is none of that name."""
    found = [one for one in stage.cluster.items("pods", "-n", BATCH) if one["metadata"]["name"] == pod]
    return str(found[0]["status"].get("phase")) if found else "Gone"


def clear(stage: Stage, owner: str) -> None:
    """Neither jobs nor execute pods of theirs are left."""
    remove_all(stage, owner)
    for one in pods(stage, owner):
        stage.cluster.do("delete", "pod", one["metadata"]["name"], "-n", BATCH, "--wait=false", "--ignore-not-found")
    stage.cluster.wait_for(f"no execute pod of {owner}", lambda: not pods(stage, owner), 200)
