"""Of several replicas one works; another takes over when it is gone, and who has lost the lease writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from facility.operator.cluster import Cluster, ClusterError
from facility.operator.leader import Leader, LostError
from facility.operator.objects import CONFIG_MAP, Reference
from tests.fakes.apiserver import ApiServer
from tests.fakes.clock import Clock
from tests.fakes.operator_world import connected
from tests.fakes.patience import PATIENCE

PATCH = ("PATCH", "facility/leases/operator")
SOMETHING = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "facility"}}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as made:
        yield made


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[Cluster]:
    async with connected(api) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


def candidate(cluster: Cluster, name: str, clock: Clock) -> Leader:
    return Leader(cluster.unguarded(), "facility", name, clock, life=12, deadline=8, period=0.01)


def holder(api: ApiServer) -> str | None:
    spec = api.get("Lease", "operator")["spec"]
    return None if spec.get("holderIdentity") is None else str(spec["holderIdentity"])


async def takes(api: ApiServer, leader: Leader) -> bool:
    """Whether it gets the lease within some tries, each of which is a request at least."""
    begun, trying = len(api.requests), asyncio.create_task(leader.acquire())
    while not trying.done() and len(api.requests) < begun + 8:
        await asyncio.wait({trying}, timeout=0.005)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    return not trying.cancelled()


async def test_the_first_one_gets_the_lease_and_the_second_stands_by(
    api: ApiServer, cluster: Cluster, clock: Clock
) -> None:
    first, second = candidate(cluster, "a", clock), candidate(cluster, "b", clock)
    assert await takes(api, first)
    assert first.held
    assert not await takes(api, second)
    assert not second.held
    assert holder(api) == "a"


async def test_one_that_ends_in_order_lets_the_next_have_it_at_once(
    api: ApiServer, cluster: Cluster, clock: Clock
) -> None:
    first, second = candidate(cluster, "a", clock), candidate(cluster, "b", clock)
    await first.acquire()
    assert not await takes(api, second)
    await first.release()
    assert not first.held
    assert await takes(api, second)
    assert api.get("Lease", "operator")["spec"]["leaseTransitions"] == 1


async def test_one_that_is_gone_is_followed_when_its_time_is_over_and_not_before(
    api: ApiServer, cluster: Cluster, clock: Clock
) -> None:
    first, second = candidate(cluster, "a", clock), candidate(cluster, "b", clock)
    await first.acquire()
    assert not await takes(api, second)
    clock.pass_by(11)
    assert not await takes(api, second)
    clock.pass_by(2)
    assert await takes(api, second)


async def test_one_never_works_when_another_may(cluster: Cluster, clock: Clock) -> None:
    first = candidate(cluster, "a", clock)
    await first.acquire()
    clock.pass_by(7.9)
    assert first.held
    clock.pass_by(0.2)
    assert not first.held


async def renewed(api: ApiServer) -> None:
    """Returns once a renewal that has begun since now is done: one more may have been under way."""
    begun = api.requests.count(PATCH)
    await api.until(lambda: api.requests.count(PATCH) >= begun + 3)


async def test_renewing_keeps_the_others_waiting(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first, second = candidate(cluster, "a", clock), candidate(cluster, "b", clock)
    await first.acquire()
    keeping = asyncio.create_task(first.keep())
    for _ in range(4):
        assert not await takes(api, second)
        clock.pass_by(6)
        await renewed(api)
    assert first.held
    keeping.cancel()


async def test_one_that_finds_the_lease_taken_ends(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first = candidate(cluster, "a", clock)
    await first.acquire()
    lease = api.get("Lease", "operator")
    api.put({**lease, "spec": {**lease["spec"], "holderIdentity": "b"}})
    with pytest.raises(LostError, match="another's"):
        async with asyncio.timeout(PATIENCE):
            await first.keep()
    assert not first.held


async def test_one_that_cannot_renew_ends_when_its_time_is_over(api: ApiServer, cluster: Cluster) -> None:
    first = Leader(cluster.unguarded(), "facility", "a", life=0.5, deadline=0.2, period=0.02)
    await first.acquire()
    api.refuse["PATCH", "leases", "*"] = "etcdserver: no leader"
    with pytest.raises(LostError, match="in time"):
        async with asyncio.timeout(PATIENCE):
            await first.keep()


async def test_a_replica_without_the_lease_writes_nothing_and_may_read(
    api: ApiServer, cluster: Cluster, clock: Clock
) -> None:
    leader = candidate(cluster, "a", clock)
    cluster.guard = leader.check
    with pytest.raises(ClusterError, match="does not hold the lease"):
        await cluster.apply(SOMETHING)
    assert await cluster.read(Reference(CONFIG_MAP, "facility", "x")) is None
    await leader.acquire()
    await cluster.apply(SOMETHING)
    clock.pass_by(9)
    with pytest.raises(ClusterError, match="does not hold the lease"):
        await cluster.delete(Reference(CONFIG_MAP, "facility", "x"))
    assert api.names("ConfigMap") == {"x"}


async def test_the_same_pod_started_again_goes_on_at_once(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    await candidate(cluster, "a", clock).acquire()
    assert await takes(api, candidate(cluster, "a", clock))


async def test_it_waits_while_the_api_server_is_away(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    api.refuse["GET", "leases", "*"] = "etcdserver: no leader"
    leader = candidate(cluster, "a", clock)
    assert not await takes(api, leader)
    api.refuse.clear()
    assert await takes(api, leader)
