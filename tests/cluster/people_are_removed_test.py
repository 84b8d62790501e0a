"""A person's object is deleted while their server runs: tokens go at once, and a new sign-in begins anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.waiting import USERS, until_reason, until_token

pytestmark = pytest.mark.cluster
USER, POD = "cms-erin", "jupyter-cms-erin"
SECONDS = 10


async def at_work(stage: Stage) -> None:
    async with stage.at_hub(world.CMS, "erin") as person:
        await person.sign_in()
        await person.spawn()


async def signed_in(stage: Stage) -> str:
    async with stage.at_hub(world.CMS, "erin") as person:
        return await person.sign_in()


def stored(stage: Stage) -> list[str]:
    """The Secrets that the broker keeps of her."""
    names = [str(one["metadata"]["name"]) for one in stage.cluster.items("secrets", "-n", "facility")]
    return [name for name in names if name in (f"session-{USER}", f"tokens-{USER}")]


@pytest.fixture(scope="module")
def removed(stage: Stage, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Erin, removed while she works; nobody else needs her server or her home, which go in the end."""
    asyncio.run(at_work(stage))
    until_token(stage, POD, there=True)
    stage.cluster.wait_for("her tokens are stored", lambda: len(stored(stage)) == 2, 30)
    before = stage.cluster.get("facilityuser", USER, "-n", "facility")
    stage.cluster.do("delete", "facilityuser", USER, "-n", "facility", "--wait=false")
    yield before
    stage.cluster.do("delete", "pod", POD, "-n", USERS, "--ignore-not-found")
    with suppress(ClusterError):  # the volume goes when its pod has gone
        stage.cluster.do("delete", "pvc", f"home-{USER}", "-n", USERS, "--wait=false")


def test_token_files_are_gone_within_seconds_and_the_pod_says_why(stage: Stage, removed: dict[str, Any]) -> None:
    until_token(stage, POD, there=False, seconds=SECONDS)
    status = json.loads(stage.cluster.execute(USERS, POD, "notebook", ["cat", "/run/token/status.json"]))
    assert status["broker"]["error"] == "interaction_required"


def test_nothing_is_stored_of_her_any_more(stage: Stage, removed: dict[str, Any]) -> None:
    stage.cluster.wait_for("no Secret of hers", lambda: not stored(stage), SECONDS)


def test_a_new_sign_in_makes_a_new_object_and_a_good_session(stage: Stage, removed: dict[str, Any]) -> None:
    assert asyncio.run(signed_in(stage)) == USER
    until_reason(stage, USER, "SignedIn", 30)
    now = stage.cluster.get("facilityuser", USER, "-n", "facility")
    assert now["metadata"]["uid"] != removed["metadata"]["uid"]
    until_token(stage, POD, there=True)
