"""Pods that their owner is due are made and kept, others are asked to leave, and none is lost to a race."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from facility.condor import idtoken
from facility.condor.share import decide
from facility.condor.situation import Decision, Situation
from facility.operator.metrics import Metrics
from facility.operator.pool_metrics import Pool
from facility.operator.validate import ValidatedVO
from tests.fakes.demand import BATCH, Here, demanding, idle, served, working
from tests.fakes.operator_world import user


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with demanding() as made:
        yield made


async def in_carols_way(here: Here, people: ValidatedVO) -> str:
    """A pod of alice's that has found no node, and is to make way for one of carol's in the next round."""
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(people)
    here.starts(first)
    here.queues["cms"].jobs = working(first, waiting=2)
    (probe,) = await here.once(people) - {first}
    here.finds_no_room(probe)
    here.queues["cms"].jobs = working(first, waiting=2) + idle("cms_carol")
    await here.once(people)
    here.clock.pass_by(4000)
    return probe


async def test_pods_of_who_has_more_than_their_share_are_asked_to_take_no_more_jobs(here: Here) -> None:
    cms, atlas = served("cms", maxCpus=2), served("atlas", ("bob",))
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(cms, atlas)
    here.starts(first)
    here.queues["cms"].jobs = working(first) + idle("cms_carol")
    people = served("cms", ("alice", "carol"), maxCpus=2)
    for _ in range(3):
        here.clock.pass_by(3000)
        assert await here.once(people, atlas) == {first}, "and nothing is ended"
    assert here.annotations(first)["analysis-facility.io/retire"] == "its cores are due to others by their shares"
    here.end(first, "Succeeded")
    here.queues["cms"].jobs = idle("cms_carol")
    assert len(await here.once(people, atlas)) == 2


async def test_a_pod_that_no_node_has_room_for_goes_when_others_need_the_room_more(here: Here) -> None:
    people = served("cms", ("alice", "carol"))
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(people)
    here.starts(first)
    here.queues["cms"].jobs = working(first, waiting=8)
    probes = await here.once(people) - {first}
    assert len(probes) == 4
    for name in probes:
        here.finds_no_room(name)
    here.queues["cms"].jobs = working(first, waiting=8) + idle("cms_carol")
    here.clock.pass_by(100)
    assert await here.once(people) == {first} | probes, "carol has just come"
    here.clock.pass_by(4000)
    left = await here.once(people)
    assert not left & probes
    assert "analysis-facility.io/retire" in here.annotations(first)
    assert {here.pods.execute[name].owner for name in left - {first}} == {"cms_carol"}


async def test_a_pod_that_has_found_a_node_meanwhile_is_not_deleted(here: Here) -> None:
    people = served("cms", ("alice", "carol"))
    probe = await in_carols_way(here, people)
    here.starts(probe)
    await here.demand.once((people,))  # the watch has not told of it yet
    assert here.demand.decision.drop == (probe,)
    assert probe in here.execute_pods()


async def test_a_pod_that_has_gone_by_itself_while_it_was_decided_on_is_no_trouble(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = served("cms", ("alice", "carol"))
    probe = await in_carols_way(here, people)

    def slow(seen: Situation) -> Decision:
        here.pods.execute.forget(here.api.get("Pod", probe, BATCH))
        return decide(seen)

    monkeypatch.setattr("facility.operator.execute.decide", slow)
    await here.demand.once((people,))
    assert here.demand.decision.drop == (probe,)


async def test_a_pod_leaves_before_its_token_ends(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(served())
    here.starts(first)
    here.queues["cms"].jobs = working(first)
    here.clock.pass_by(idtoken.EXECUTE_LIFE * 0.4)
    await here.once(served())
    assert "analysis-facility.io/retire" not in here.annotations(first)
    here.clock.pass_by(idtoken.EXECUTE_LIFE * 0.06)
    await here.once(served())
    assert here.annotations(first)["analysis-facility.io/retire"] == "its token grows old"


async def test_pods_of_a_vo_whose_queue_is_not_known_are_left_alone(here: Here) -> None:
    cms, atlas = served("cms"), served("atlas", ("bob",))
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(cms, atlas)
    here.starts(first)
    here.queues["cms"].trouble = "no answer within 20 s"
    here.clock.pass_by(61)
    await here.once(cms, atlas)
    here.queues["atlas"].jobs = idle("atlas_bob")
    demand = here.another(max_cpus=2)
    await here.pods.refresh()
    for _ in range(3):
        await demand.once((cms, atlas))
    assert "analysis-facility.io/retire" not in here.annotations(first)


# what people are told, and what is remembered


async def test_use_is_remembered_by_the_next_operator(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(served())
    here.starts(first)
    here.queues["cms"].jobs = working(first)
    await here.once(served())
    here.clock.pass_by(1000)
    await here.once(served())
    another = here.another()
    await another.once((served(),))
    assert another.standing.used["cms_alice"] == pytest.approx(2000, rel=0.01)


async def test_jobs_that_do_not_take_room_for_long_are_stuck_and_their_owner_is_told_so(here: Here) -> None:
    here.api.put(user("alice", "cms", 20000))
    here.queues["cms"].jobs = idle(count=1)
    (first,) = await here.once(served())
    here.starts(first)
    for _ in range(3):
        here.clock.pass_by(11)
        assert await here.once(served()) == {first}
    here.clock.pass_by(11)
    await here.once(served())
    assert "condor_q -better-analyze" in here.fares()["waiting"]


async def test_a_queue_that_takes_long_to_read_is_read_less_often(here: Here) -> None:
    here.queues["cms"].answering.clear()
    await here.once(served())
    here.clock.pass_by(4)
    here.queues["cms"].answering.set()
    await here.once(served())
    assert here.queues["cms"].asked == 1
    here.clock.pass_by(30)
    await here.once(served())
    assert here.queues["cms"].asked == 1
    here.clock.pass_by(7)
    await here.once(served())
    assert here.queues["cms"].asked == 2


async def test_metrics_tell_of_vos_and_never_of_persons(here: Here) -> None:
    here.queues["cms"].jobs = (replace(*idle(count=2), held=1, hindered=1),)
    metrics = Metrics()
    metrics.registry.register(Pool(here.demand))
    await here.once(served())
    await here.once(served())
    text = metrics.text().decode()
    assert "alice" not in text
    for line in (
        'facility_pool_jobs{state="idle",vo="cms"} 2.0',
        'facility_pool_jobs{state="held",vo="cms"} 2.0',
        'facility_pool_pods{state="starting",vo="cms"} 1.0',
        'facility_pool_cores{state="starting",vo="cms"} 2.0',
        'facility_pool_waiting_people{cause="starting",vo="cms"} 1.0',
    ):
        assert line in text


async def test_no_pod_is_made_for_jobs_that_may_not_run_yet(here: Here) -> None:
    here.api.put(user("alice", "cms", 20000))
    here.queues["cms"].jobs = idle(count=9)
    (first,) = await here.once(served(maxRunningJobsPerPerson=2))
    here.starts(first)
    here.queues["cms"].jobs = working(first, waiting=7)
    here.clock.pass_by(11)
    assert await here.once(served(maxRunningJobsPerPerson=2)) == {first}
    assert here.fares()["waiting"] == (
        "You have all 2 jobs running that one person of cms may have: further ones start as these end."
    )


async def test_an_idle_pod_that_takes_none_of_the_waiting_jobs_is_replaced(here: Here) -> None:
    here.queues["cms"].jobs = idle(count=1)
    (first,) = await here.once(served())
    here.starts(first)
    await here.once(served())
    here.clock.pass_by(299)
    assert await here.once(served()) == {first}
    here.clock.pass_by(2)
    await here.once(served())
    assert here.annotations(first)["analysis-facility.io/retire"] == "it takes none of the jobs that wait"
    assert len(await here.once(served())) == 2
