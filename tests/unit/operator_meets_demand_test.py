"""Idle jobs become execute pods of their owner, once each, and ended pods are cleared away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import jwt
import pytest

from facility.condor import shapes
from facility.condor.amounts import Shape
from facility.condor.share import decide
from facility.condor.situation import Decision, Situation
from facility.operator.events import News
from tests.fakes.demand import BATCH, Here, access_point, demanding, idle, served
from tests.fakes.operator_world import SITE


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with demanding() as made:
        yield made


async def test_an_owner_with_idle_jobs_gets_one_pod(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (name,) = await here.once(served())
    assert name.startswith("ep-cms-alice-")
    assert await here.once(served()) == {name}


async def test_the_pods_secret_holds_a_token_of_the_owner_and_goes_with_the_pod(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (name,) = await here.once(served())
    secret, pod = here.api.get("Secret", name, BATCH), here.api.get("Pod", name, BATCH)
    claims = jwt.decode(secret["stringData"]["token"], options={"verify_signature": False, "verify_exp": False})
    assert claims["sub"] == "cms_alice@pool"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
    assert secret["stringData"]["token"] not in str(pod)
    here.api.remove("Pod", name, BATCH)
    assert here.api.names("Secret", BATCH) == {"pool-key"}


async def test_without_idle_jobs_there_is_no_pod(here: Here) -> None:
    assert await here.once(served()) == set()


async def test_an_access_point_speaks_for_its_own_people_only(here: Here) -> None:
    here.queues["cms"].jobs = idle("atlas_bob")
    assert await here.once(served("cms"), served("atlas", ("bob",))) == set()


async def test_somebody_who_is_no_user_gets_no_pod(here: Here) -> None:
    here.queues["cms"].jobs = idle("cms_eve")
    assert await here.once(served()) == set()


async def test_a_vos_limit_holds(here: Here) -> None:
    here.queues["cms"].jobs = idle("cms_alice") + idle("cms_carol")
    people = served(people=("alice", "carol"), maxExecutePods=1)
    await here.once(people)
    (name,) = await here.once(people)
    assert here.pods.execute[name].owner in ("cms_alice", "cms_carol")


async def test_many_jobs_get_several_pods_and_a_large_one_a_large_pod(here: Here) -> None:
    here.queues["cms"].jobs = idle(count=6)
    assert len(await here.once(served())) == 3
    here.queues["cms"].jobs += idle("cms_carol", 1, Shape(4, 9000, 100))
    await here.once(served(people=("alice", "carol")))
    (large,) = (pod for pod in here.pods.execute.values() if pod.owner == "cms_carol")
    assert shapes.read(large.shape) == Shape(4, 9000, shapes.usual(SITE).disk)


async def test_an_access_point_that_hangs_holds_up_no_other(here: Here) -> None:
    here.queues["cms"].answering.clear()
    here.queues["atlas"].jobs = idle("atlas_bob")
    (name,) = await here.once(served("cms"), served("atlas", ("bob",)))
    assert name.startswith("ep-atlas-bob-")
    here.queues["cms"].jobs = idle()
    here.queues["cms"].answering.set()
    assert len(await here.once(served("cms"), served("atlas", ("bob",)))) == 2
    assert here.queues["cms"].asked == 1


async def test_a_queue_that_cannot_be_read_is_asked_anew(here: Here) -> None:
    here.queues["cms"].trouble = "no answer within 10 s"
    assert await here.once(served()) == set()
    assert here.queues["cms"].closed == 1
    here.queues["cms"].trouble, here.queues["cms"].jobs = "", idle()
    assert len(await here.once(served())) == 1


async def test_a_pod_that_ended_makes_room_for_the_next_and_goes_after_a_minute(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(served())
    here.end(first, "Succeeded")
    assert len(await here.once(served())) == 2
    here.clock.pass_by(61)
    assert first not in await here.once(served())


async def test_a_pod_that_failed_is_not_followed_by_another_at_once(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(served())
    here.end(first, "Failed")
    assert await here.once(served()) == {first}
    here.clock.pass_by(61)
    (second,) = await here.once(served())
    assert second != first


async def test_a_pod_that_is_refused_leaves_no_secret_behind_and_is_told_of(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    here.queues["cms"].jobs = idle()
    here.api.refuse["POST", "pods", ""] = "exceeded quota: batch"
    with caplog.at_level(logging.WARNING):
        assert await here.once(served()) == set()
    assert here.api.names("Secret", BATCH) == {"pool-key"}
    assert "execute pod for cms_alice" in caplog.text
    assert "exceeded quota: batch" in caplog.text


async def test_a_refused_pod_keeps_nobody_else_from_theirs(here: Here) -> None:
    here.queues["cms"].jobs = idle("cms_alice") + idle("cms_carol")
    people = served("cms", ("alice", "carol"))
    here.api.refuse["POST", "pods", "ep-cms-alice-*"] = "admission webhook denied the request"
    (made,) = await here.once(people)
    assert made.startswith("ep-cms-carol-")


async def test_a_pod_that_cannot_own_its_secret_goes_with_it(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    here.api.refuse["PATCH", "secrets", "*"] = "etcdserver: request timed out"
    assert await here.once(served()) == set()
    assert here.api.names("Secret", BATCH) == {"pool-key"}


async def test_the_queue_of_a_vo_that_went_is_closed(here: Here) -> None:
    await here.once(served())
    await here.once()
    assert here.queues["cms"].closed == 1


async def test_it_goes_on_when_the_api_server_was_away(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    await here.pods.refresh()
    here.api.refuse["POST", "secrets", ""] = "etcdserver: leader changed"
    refused = asyncio.Event()
    here.demand.told = lambda _vo, _news: refused.set()
    running = asyncio.create_task(here.demand.run(lambda: [served()]))
    await refused.wait()
    here.api.refuse.clear()
    here.clock.pass_by(31)
    await here.api.until(lambda: bool(here.execute_pods()))
    running.cancel()


async def test_a_mistake_in_one_round_is_told_once_and_does_not_end_the_next(
    here: Here, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mistakes = iter([ZeroDivisionError("by nobody")] * 2)

    def stumbling(seen: Situation) -> Decision:
        for mistake in mistakes:
            raise mistake
        return decide(seen)

    monkeypatch.setattr("facility.operator.execute.decide", stumbling)
    here.queues["cms"].jobs = idle()
    await here.pods.refresh()
    running = asyncio.create_task(here.demand.run(lambda: [served()]))
    await here.api.until(lambda: bool(here.execute_pods()))
    running.cancel()
    assert caplog.text.count("waiting jobs are not looked at: ZeroDivisionError: by nobody") == 1
    assert "in stumbling" in caplog.text, "and where it is"


async def test_what_a_queue_said_last_is_believed_for_two_and_a_half_minutes(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(served())
    here.starts(first)
    here.queues["cms"].trouble = "no answer within 20 s"
    here.clock.pass_by(149)
    await here.once(served())
    assert set(here.demand.jobs) == {"cms_alice"}
    here.clock.pass_by(2)
    await here.once(served())
    assert here.demand.jobs == {}
    (pod,) = here.demand.pods
    assert pod.used == pod.shape, "it may be busy"


async def test_a_refused_pod_is_told_of_at_the_vo_and_not_tried_again_at_once(here: Here) -> None:
    told: list[tuple[str, News]] = []
    here.demand.told = lambda vo, news: told.append((vo["metadata"]["name"], news))
    here.queues["cms"].jobs = idle()
    here.api.refuse["POST", "pods", ""] = "exceeded quota: vo-cms"
    await here.once(served())
    here.api.requests.clear()
    await here.once(served())
    assert here.api.writes() == []
    ((name, news),) = told
    assert (name, news.kind, news.reason) == ("cms", "Warning", "ExecutePodRefused")
    assert "exceeded quota: vo-cms" in news.note
    here.api.refuse.clear()
    here.clock.pass_by(31)
    assert len(await here.once(served())) == 1


async def test_a_pod_counts_before_the_watch_has_told_of_it(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    await here.once(served())
    await here.demand.once([served()])
    assert len(here.execute_pods()) == 1


async def test_a_closed_vo_loses_its_pods_and_gets_no_others(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    here.queues["atlas"].jobs = idle("atlas_bob")
    await here.once(served("cms"), served("atlas", ("bob",)))
    (left,) = await here.once(served("cms", suspended=True), served("atlas", ("bob",)))
    assert left.startswith("ep-atlas-bob-")
    assert await here.once(served("cms", suspended=True), served("atlas", ("bob",))) == {left}
    assert here.queues["cms"].closed == 1


async def test_an_access_point_that_does_not_run_is_not_asked(here: Here) -> None:
    here.queues["cms"].jobs = idle()
    here.api.remove("Pod", "ap-cms-0", BATCH)
    here.api.put(access_point("cms", "Pending"))
    assert await here.once(served()) == set()
    assert here.queues["cms"].asked == 0


# making room
