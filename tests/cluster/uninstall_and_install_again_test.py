"""`helm uninstall` and install again gives the same facility: homes, users and VOs are still there."""

from __future__ import annotations

import asyncio

import pytest

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Outcome, Stage

pytestmark = pytest.mark.cluster


def homes(stage: Stage) -> dict[str, str]:
    claims = stage.cluster.items("pvc", "-n", "facility-users")
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in claims}


def users(stage: Stage) -> dict[str, int]:
    found = stage.cluster.items("facilityusers", "-n", "facility")
    return {user["metadata"]["name"]: user["spec"]["uid"] for user in found}


async def alices_files(stage: Stage) -> str:
    async with stage.at_hub(world.CMS, "alice") as alice:
        await alice.sign_in()
        await alice.spawn()
        async with alice.kernel() as kernel:
            return await kernel.run("import os, analysis; print(sorted(os.listdir()))")


def test_homes_users_and_vos_are_still_there(stage: Stage, outcome: Outcome) -> None:
    before = homes(stage), users(stage)
    assert before[0]
    assert before[1]
    stage.cluster.chart("uninstall", "facility", "-n", "facility", "--wait", "--timeout", "5m")
    assert not stage.cluster.items("deployments", "-n", "facility")
    place.install(stage.cluster)
    assert (homes(stage), users(stage)) == before
    assert {vo["metadata"]["name"] for vo in stage.cluster.items("vo", "-n", "facility")} >= {"cms", "atlas"}
    assert "histogram.png" in asyncio.run(alices_files(stage))
