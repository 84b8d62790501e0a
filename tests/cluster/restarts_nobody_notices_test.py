"""Parts end at any instant: people at work do not notice, and what was asked for is done all the same."""

from __future__ import annotations

import asyncio
import json

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.kills import end, ready

pytestmark = pytest.mark.cluster

READ = r"""
import os, fsspec, time
url = os.environ["LAKE_HTTPS"] + "/cms/embargoed/nano_dimuon.root"
until = time.monotonic() + 25
reads = 0
while time.monotonic() < until:
    with fsspec.open(url) as file:
        assert file.read(4) == b"root"
    reads += 1
    time.sleep(0.5)
print("read", reads)
"""


async def read_while_the_hub_ends(stage: Stage) -> tuple[str, set[str], str]:
    async with stage.at_hub(world.CMS, "alice") as alice:
        await alice.sign_in()
        await alice.spawn()
        async with alice.kernel() as kernel:
            reading = asyncio.create_task(kernel.run(READ, 120))
            await asyncio.sleep(0)
            old = await asyncio.to_thread(end, stage, "facility", "hub")
            printed = await reading
        await asyncio.to_thread(stage.cluster.wait_for, "the hub", lambda: ready(stage, "facility", "hub", old), 90)
        # the same cookie, the same server: the new hub knows both
        async with alice.http.get(f"{alice.notebook}api/status") as answer:
            status = str(answer.status)
        return printed, old, status


def test_a_kernel_reads_on_while_the_hub_is_restarted(stage: Stage, outcome: Outcome) -> None:
    before = pod_of(stage, "jupyter-cms-alice")
    printed, old, status = asyncio.run(read_while_the_hub_ends(stage))
    assert old
    assert int(printed.split()[-1]) >= 10
    assert status == "200"
    assert pod_of(stage, "jupyter-cms-alice") == before


def pod_of(stage: Stage, name: str) -> str:
    uid: str = stage.cluster.get("pod", name, "-n", "facility-users")["metadata"]["uid"]
    return uid


def test_another_operator_takes_over_when_the_leader_ends(stage: Stage, outcome: Outcome) -> None:
    lease = holder(stage)
    leader = lease.partition("_")[0]
    stage.cluster.do("delete", "pod", leader, "-n", "facility", "--grace-period=0", "--force")
    change = {"spec": {"displayName": "CMS (changed)"}}
    stage.cluster.do("patch", "vo", "cms", "-n", "facility", "--type=merge", "-p", json.dumps(change))
    took = stage.cluster.wait_for("the change seen by another operator", lambda: seen(stage), 60)
    assert holder(stage) != lease
    assert took < 40
    stage.cluster.apply(world.manifest(world.CMS))


def holder(stage: Stage) -> str:
    name: str = stage.cluster.get("lease", "operator", "-n", "facility")["spec"]["holderIdentity"]
    return name


def seen(stage: Stage) -> bool:
    vo = stage.cluster.get("vo", "cms", "-n", "facility")
    return bool(vo["status"].get("observedGeneration") == vo["metadata"]["generation"])
