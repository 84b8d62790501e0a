"""People read in their own object how their jobs fare, and why they wait."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.demand import BATCH, Here, demanding, idle, served, working
from tests.fakes.operator_world import user


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with demanding() as made:
        yield made


async def test_people_are_told_how_their_jobs_fare_and_why_they_wait(here: Here) -> None:
    here.api.put(user("alice", "cms", 20000))
    here.queues["cms"].jobs = idle(count=2)
    (first,) = await here.once(served(maxCpus=2))
    told = here.fares()
    assert (told["idle"], told["waiting"]) == (2, "Execute pods are starting for them.")
    here.starts(first)
    here.queues["cms"].jobs = working(first, waiting=3)
    here.clock.pass_by(11)
    await here.once(served(maxCpus=2))
    assert here.fares() == {
        "idle": 3,
        "running": 2,
        "held": 0,
        "pods": 1,
        "cpus": 2,
        "allowedCpus": 2,
        "waiting": "cms uses all 2 cores that it may have, and your share of them is 2 cores at the moment: jobs start "
        "in turn as others' end.",
    }


async def test_people_are_told_at_most_every_ten_seconds_and_when_all_is_done(here: Here) -> None:
    here.api.put(user("alice", "cms", 20000))
    here.queues["cms"].jobs = idle(count=1)
    await here.once(served())
    here.queues["cms"].jobs = idle(count=2)
    here.clock.pass_by(5)
    await here.once(served())
    assert here.fares()["idle"] == 1
    here.clock.pass_by(6)
    await here.once(served())
    assert here.fares()["idle"] == 2
    here.queues["cms"].jobs = ()
    for name in here.execute_pods():
        here.api.remove("Pod", name, BATCH)
    here.clock.pass_by(11)
    await here.pods.refresh()
    await here.another().once((served(),))
    assert here.fares() == {
        "idle": 0,
        "running": 0,
        "held": 0,
        "pods": 0,
        "cpus": 0,
        "allowedCpus": 0,
        "waiting": "",
    }


async def test_a_priority_class_that_the_cluster_has_not_got_is_named_to_the_person(here: Here) -> None:
    here.api.put(user("alice", "cms", 20000))
    here.queues["cms"].jobs = idle()
    here.api.refuse["POST", "pods", ""] = "pods is forbidden: no PriorityClass with name batch-low was found"
    demand = here.another(priority_class="batch-low")
    await here.pods.refresh()
    for _ in range(2):
        await demand.once([served()])
        here.clock.pass_by(11)
    assert "no PriorityClass with name batch-low was found" in here.fares()["waiting"]


async def test_a_refusal_is_told_to_the_person_too(here: Here) -> None:
    here.api.put(user("alice", "cms", 20000))
    here.queues["cms"].jobs = idle()
    here.api.refuse["POST", "pods", ""] = "exceeded quota: vo-cms"
    await here.once(served())
    here.clock.pass_by(11)
    await here.once(served())
    assert "exceeded quota: vo-cms" in here.fares()["waiting"]
