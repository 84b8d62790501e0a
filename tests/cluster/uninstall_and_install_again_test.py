"""`helm uninstall` and install again gives the same facility, and running notebooks go on."""

from __future__ import annotations

import asyncio

import pytest

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.cells import printed
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


async def at_work(stage: Stage) -> None:
    """The main job's people do something: the hub ends notebooks in which nobody has for an hour."""
    for vo, name in ((world.CMS, "alice"), (world.ATLAS, "bob"), (world.ESCAPE, "dave")):
        await printed(stage, vo, name, "print(1)")


def test_homes_users_vos_and_running_notebooks_are_still_there(stage: Stage, outcome: Outcome) -> None:
    asyncio.run(at_work(stage))
    before = homes(stage), users(stage)
    reading = {(pod, uid) for pod, uid in notebooks(stage) if has_token(stage, pod)}
    assert all(before)
    assert reading
    stage.cluster.chart("uninstall", "facility", "-n", "facility", "--wait", "--timeout", "5m")
    assert not stage.cluster.items("deployments", "-n", "facility")
    place.install(stage.cluster)
    assert (homes(stage), users(stage)) == before
    assert {vo["metadata"]["name"] for vo in stage.cluster.items("vo", "-n", "facility")} >= {"cms", "atlas"}
    files = "import os, analysis; print(sorted(os.listdir()))"
    assert "histogram.png" in asyncio.run(printed(stage, world.CMS, "alice", files, 600))
    assert notebooks(stage) >= reading
    for pod, _ in reading:
        until_token(stage, pod, there=True)  # theirs may have ended while there was no facility
