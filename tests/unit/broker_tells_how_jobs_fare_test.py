"""`GET /batch`: a person is told how their jobs fare, as the operator has written it, and nobody else is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker_world import USERS, World, eventually, facility_of_two

SENTENCE = "4 jobs wait: cms uses all of the 40 cores that it may have."
WRITTEN = {"idle": 4, "running": 2, "held": 1, "pods": 2, "cpus": 8, "allowedCpus": 10, "waiting": SENTENCE}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility_of_two(tmp_path) as made:
        yield made


def write(world: World, batch: Any, user: str = "cms-alice") -> None:
    """What the operator does."""
    item = world.api.objects[f"{USERS}/{user}"]
    world.api.put(f"{USERS}/{user}", {**item, "status": {**(item.get("status") or {}), "batch": batch}})


async def told(world: World, caller: str = "alice-pod") -> dict[str, Any]:
    answer = await world.ask("GET", "/batch", caller)
    assert answer.status == 200, answer
    return answer.body


async def test_before_anything_is_written_nothing_is_known(world: World) -> None:
    found = await told(world)
    assert (found["user"], found["known"], found["idle"], found["waiting"]) == ("cms-alice", False, 0, "")


async def test_a_person_is_told_what_the_operator_wrote_last_and_only_about_themselves(world: World) -> None:
    write(world, WRITTEN)
    await eventually(lambda: "cms-alice" in world.broker.batch._known)
    assert await told(world) == {"user": "cms-alice", "known": True, **WRITTEN}
    assert (await told(world, "bob-pod"))["known"] is False


@pytest.mark.parametrize("caller", ["hub", "ap", "xcache"])
async def test_who_is_no_person_is_told_nothing(world: World, caller: str) -> None:
    answer = await world.ask("GET", "/batch", caller)
    assert (answer.status, answer.error) == (403, "access_denied")


async def test_what_makes_no_sense_is_as_if_nothing_were_written(world: World) -> None:
    write(world, WRITTEN)
    await eventually(lambda: "cms-alice" in world.broker.batch._known)
    write(world, {"idle": "many"})
    await eventually(lambda: "cms-alice" not in world.broker.batch._known)
    assert (await told(world))["known"] is False
