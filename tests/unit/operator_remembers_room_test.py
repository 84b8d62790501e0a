"""Room that a pod has just left is counted until the scheduler has given it to one that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from facility.condor.amounts import Shape
from facility.condor.jobs import OwnerJobs
from facility.condor.situation import Held, Phase, Pod
from facility.operator.room import LATELY, Room
from tests.fakes.demand import Here, demanding, idle, served, working

WAITS = Pod("waits", "cms_carol", Shape(2, 100, 100), Phase.UNSCHEDULABLE)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with demanding() as made:
        yield made


def running(name: str, cpus: int = 2, gpus: int = 0, phase: Phase = Phase.RUNNING) -> Pod:
    return Pod(name, "cms_alice", Shape(cpus, 100, 100, gpus), phase)


def test_the_most_of_the_last_seconds_counts_and_then_no_more() -> None:
    room = Room()
    assert room.lately([running("a"), running("b", 3, phase=Phase.PLACED), WAITS], 100) == Held(cpus=5)
    assert room.lately([running("a"), WAITS], 100 + LATELY) == Held(cpus=5)
    assert room.lately([running("a"), WAITS], 101 + LATELY) == Held(cpus=2)


def test_nothing_is_remembered_from_before_somebody_waited() -> None:
    room = Room()
    room.lately([running("a"), WAITS], 100)
    assert room.lately([running("a"), running("b")], 101) == Held()
    assert room.lately([WAITS], 102) == Held()


def test_pods_that_are_just_made_show_no_room() -> None:
    assert Room().lately([running("a"), running("b", phase=Phase.STARTING), WAITS], 100) == Held(cpus=2)


def test_gpus_are_counted_for_themselves() -> None:
    room = Room()
    room.lately([running("a", 2, 3), running("b"), WAITS], 100)
    waits = Pod("w", "cms_carol", Shape(2, 100, 100, 1), Phase.UNSCHEDULABLE)
    assert room.lately([running("a", 2, 3), waits], 101) == Held(gpus=3)


async def test_nobody_is_asked_to_leave_for_room_that_a_pod_has_just_left(here: Here) -> None:
    people = served("cms", ("alice", "carol"))
    here.queues["cms"].jobs = idle("cms_alice", 4) + idle("cms_carol")
    pods = await here.once(people)
    (hers,) = (name for name in pods if "carol" in name)
    alices = {name: Shape(2, 1000, 200) for name in pods - {hers}}
    for name in pods:
        here.starts(name)
    busy = (OwnerJobs("cms_alice", running=4, working=alices),)
    here.queues["cms"].jobs = busy + working(hers, "cms_carol", waiting=2)
    (probe,) = await here.once(people) - pods
    here.finds_no_room(probe)
    await here.once(people)
    here.end(hers, "Succeeded")
    here.queues["cms"].jobs = busy + idle("cms_carol")
    await here.once(people)
    assert here.demand.decision.retire == (), "its room is there for the pod that waits"
    here.clock.pass_by(LATELY + 1)
    await here.once(people)
    assert len(here.demand.decision.retire) == 1, "others have taken it"
