"""`helm uninstall` and install again gives the same facility, and running notebooks go on."""

from __future__ import annotations

import asyncio

import pytest

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.waiting import USERS, has_token, until_token

pytestmark = pytest.mark.cluster


def homes(stage: Stage) -> dict[str, str]:
    claims = stage.cluster.items("pvc", "-n", USERS)
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in claims}


def users(stage: Stage) -> dict[str, int]:
    found = stage.cluster.items("facilityusers", "-n", "facility")
    return {user["metadata"]["name"]: user["spec"]["uid"] for user in found}


def notebooks(stage: Stage) -> set[tuple[str, str]]:
    """The running notebooks: each pod's name and uid."""
    pods = stage.cluster.items("pods", "-n", USERS, "-l", "app.kubernetes.io/component=notebook")
    return {(pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in pods}


async def alices_files(stage: Stage) -> str:
    async with stage.at_hub(world.CMS, "alice") as alice:
        await alice.sign_in()
        await alice.spawn()
        async with alice.kernel() as kernel:
            return await kernel.run("import os, analysis; print(sorted(os.listdir()))")


def test_homes_users_vos_and_running_notebooks_are_still_there(stage: Stage, outcome: Outcome) -> None:
    before = homes(stage), users(stage)
    reading = {(pod, uid) for pod, uid in notebooks(stage) if has_token(stage, pod)}
    assert all(before)
    assert reading
    stage.cluster.chart("uninstall", "facility", "-n", "facility", "--wait", "--timeout", "5m")
    assert not stage.cluster.items("deployments", "-n", "facility")
    place.install(stage.cluster)
    assert (homes(stage), users(stage)) == before
    assert {vo["metadata"]["name"] for vo in stage.cluster.items("vo", "-n", "facility")} >= {"cms", "atlas"}
    assert "histogram.png" in asyncio.run(alices_files(stage))
    assert notebooks(stage) >= reading
    for pod, _ in reading:
        until_token(stage, pod, there=True)  # theirs may have ended while there was no facility
