"""Parts end at any instant: people at work do not notice, and what was asked for is done all the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.person import Person
from facility.operator.wake import ANNOTATION
from tests.cluster.kills import end, of_component, ready, started_again, starts

pytestmark = pytest.mark.cluster
FOLLOWERS = "broker", "hub"
OTHER = "gpuResource: example.com/gpu"

READ = r"""
import os, fsspec, time
url = os.environ["LAKE_HTTPS"] + "/cms/embargoed/nano_dimuon.root"
until = time.monotonic() + SECONDS
reads = 0
while time.monotonic() < until:
    with fsspec.open(url) as file:
        assert file.read(4) == b"root"
    reads += 1
    time.sleep(0.5)
print("read", reads)
"""


@asynccontextmanager
async def reading(stage: Stage, seconds: int) -> AsyncIterator[tuple[Person, asyncio.Task[str]]]:
    """Alice at work, and what her kernel prints in the end, which reads for so long."""
    async with stage.at_hub(world.CMS, "alice") as alice:
        await alice.sign_in()
        await alice.spawn()
        async with alice.kernel() as kernel:
            printed = asyncio.create_task(kernel.run(READ.replace("SECONDS", str(seconds)), 120))
            await asyncio.sleep(0)
            yield alice, printed


async def status(alice: Person) -> str:
    """With the same cookie, of the same server: the new hub knows both."""
    async with alice.http.get(f"{alice.notebook}api/status") as answer:
        return str(answer.status)


async def read_while_the_hub_ends(stage: Stage) -> tuple[str, set[str], str]:
    async with reading(stage, 25) as (alice, printed):
        old = await asyncio.to_thread(end, stage, "facility", "hub")
        await printed
        await asyncio.to_thread(stage.cluster.wait_for, "the hub", lambda: ready(stage, "facility", "hub", old), 90)
        return await printed, old, await status(alice)


def test_a_kernel_reads_on_while_the_hub_is_restarted(stage: Stage, outcome: Outcome) -> None:
    before = pod_of(stage, "jupyter-cms-alice")
    printed, old, told = asyncio.run(read_while_the_hub_ends(stage))
    assert old
    assert int(printed.split()[-1]) >= 10
    assert told == "200"
    assert pod_of(stage, "jupyter-cms-alice") == before


def change_the_site(stage: Stage, change: Callable[[str], str]) -> None:
    """Change the site's settings, and wait until broker and hub have started with the new ones."""
    before = {part: starts(stage, "facility", part) for part in FOLLOWERS}
    text = change(stage.cluster.get("configmap", "facility-site", "-n", "facility")["data"]["site.yaml"])
    patch = json.dumps({"data": {"site.yaml": text}})
    stage.cluster.do("patch", "configmap", "facility-site", "-n", "facility", "--type=merge", "-p", patch)
    for part in FOLLOWERS:
        # a pod that changes has its volumes written again at once, others within a minute and a half
        touched = f"{ANNOTATION}={time.monotonic_ns()}"
        stage.cluster.do("annotate", *of_component("facility", part), "--overwrite", touched)
    for part in FOLLOWERS:
        again = partial(started_again, stage, "facility", part, before[part])
        stage.cluster.wait_for(f"{part} to have started with other settings", again, 180)


async def read_while_the_site_changes(stage: Stage) -> tuple[str, str]:
    async with reading(stage, 60) as (alice, printed):
        await asyncio.to_thread(change_the_site, stage, lambda text: f"{text}\n{OTHER}\n")
        told = await status(alice)
        await asyncio.to_thread(change_the_site, stage, lambda text: text.replace(f"\n{OTHER}\n", ""))
        return await printed, told


def test_hub_and_broker_start_anew_with_changed_settings_of_the_site_and_a_kernel_reads_on(
    stage: Stage, outcome: Outcome
) -> None:
    before = pod_of(stage, "jupyter-cms-alice")
    printed, told = asyncio.run(read_while_the_site_changes(stage))
    assert int(printed.split()[-1]) >= 20
    assert told == "200"
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
