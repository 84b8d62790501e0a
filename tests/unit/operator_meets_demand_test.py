"""Idle jobs become execute pods of their owner, once each, and ended pods are cleared away."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from facility.condor.jobs import OwnerJobs, QueueError
from facility.operator.cluster import Cluster
from facility.operator.events import News
from facility.operator.execute import Demand
from facility.operator.pods import BatchPods
from facility.operator.secrets import manifest
from facility.operator.validate import ValidatedVO
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.fakes.apiserver import ApiServer
from tests.fakes.clock import Clock
from tests.fakes.operator_world import SITE, connected, user, vo
from tests.fakes.patience import PATIENCE

BATCH = "facility-batch"
KEY = b"k" * 64


class Queue:
    """An access point's queue: what it answers, or that it does not."""

    def __init__(self) -> None:
        self.jobs: tuple[OwnerJobs, ...] = ()
        self.trouble = ""
        self.answering = threading.Event()
        self.answering.set()
        self.closed = 0
        self.asked = 0

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        self.asked += 1
        self.answering.wait(PATIENCE)
        if self.trouble:
            raise QueueError(self.trouble)
        return self.jobs

    def close(self) -> None:
        self.closed += 1


def served(
    name: str = "cms", people: tuple[str, ...] = ("alice",), suspended: bool = False, **batch: Any
) -> ValidatedVO:
    made = VirtualOrganization.parse(vo(name, f"https://{name}.example.org", batch=batch, suspended=suspended))
    return ValidatedVO(made, tuple(FacilityUser.parse(user(one, name, 20000)) for one in people))


def idle(owner: str = "cms_alice", since: float = 1.0) -> tuple[OwnerJobs, ...]:
    return (OwnerJobs(owner, idle=4, waiting_since=since),)


def access_point(name: str, phase: str = "Running") -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/component": "access-point",
        "app.kubernetes.io/managed-by": "facility-operator",
        "analysis-facility.io/vo": name,
    }
    meta = {"name": f"ap-{name}-0", "namespace": BATCH, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"phase": phase}}


class Here:
    def __init__(self, api: ApiServer, cluster: Cluster) -> None:
        self.api, self.clock = api, Clock()
        self.queues: dict[str, Queue] = {"cms": Queue(), "atlas": Queue()}
        self.pods = BatchPods(cluster, SITE)
        self.demand = Demand(cluster, SITE, self.clock, lambda name, _key: self.queues[name], self.pods, period=0.2)
        api.put(manifest(BATCH, "pool-key", {"POOL": KEY}))
        for name in self.queues:
            api.put(access_point(name))

    async def once(self, *vos: ValidatedVO) -> set[str]:
        await self.pods.refresh()
        await self.demand.once(vos)
        return self.execute_pods()

    def execute_pods(self) -> set[str]:
        return {name for name in self.api.names("Pod", BATCH) if name.startswith("ep-")}

    def end(self, name: str, phase: str) -> None:
        pod = dict(self.api.get("Pod", name, BATCH))
        at = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        state = {"terminated": {"finishedAt": at}}
        pod["status"] = {"phase": phase, "containerStatuses": [{"name": "execute", "state": state}]}
        self.api.put(pod)
        self.api.objects["v1", BATCH, "pods", name] |= {"status": pod["status"]}


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with ApiServer() as api, connected(api) as cluster:
        yield Here(api, cluster)


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
    here.queues["cms"].jobs = idle("cms_alice", 2) + idle("cms_carol", 1)
    (name,) = await here.once(served(people=("alice", "carol"), maxExecutePods=1))
    assert name.startswith("ep-cms-carol-")


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
    here.queues["cms"].jobs = idle("cms_alice", since=1.0) + idle("cms_carol", since=2.0)
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
