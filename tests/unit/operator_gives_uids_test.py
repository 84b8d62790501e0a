"""A uid is given once and never to anybody else, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from facility.operator.cluster import Cluster, ClusterError
from facility.operator.users import allocate
from tests.fakes.apiserver import ApiServer
from tests.fakes.operator_world import connected, user


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as made:
        yield made


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[Cluster]:
    async with connected(api) as made:
        yield made


async def give(api: ApiServer, cluster: Cluster) -> dict[str, int | None]:
    users = await allocate(cluster, "facility", [dict(one) for one in api.all("FacilityUser")])
    return {one["metadata"]["name"]: one["spec"].get("uid") for one in users}


async def test_people_get_numbers_in_turn_from_20000(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice"))
    api.put(user("bob"))
    assert await give(api, cluster) == {"cms-alice": 20000, "cms-bob": 20001}
    assert api.get("ConfigMap", "uid-ledger")["data"] == {"next": "20002"}


async def test_who_has_a_number_keeps_it(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice"))
    await give(api, cluster)
    api.put(user("zoe"))
    assert await give(api, cluster) == {"cms-alice": 20000, "cms-zoe": 20001}


async def test_a_number_of_somebody_who_left_is_not_given_again(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice"))
    await give(api, cluster)
    api.remove("FacilityUser", "cms-alice")
    api.put(user("bob"))
    assert await give(api, cluster) == {"cms-bob": 20001}


async def test_a_lost_ledger_begins_above_every_number_in_use(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice", uid=20417))
    api.put(user("bob"))
    assert (await give(api, cluster))["cms-bob"] == 20418


async def test_a_person_who_changed_meanwhile_waits_for_the_next_round(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice"))
    stale = dict(api.get("FacilityUser", "cms-alice"))
    api.put({**stale, "metadata": {**stale["metadata"], "labels": {"a": "b"}}})
    (found,) = await allocate(cluster, "facility", [stale])
    assert "uid" not in found["spec"]
    assert (await give(api, cluster))["cms-alice"] == 20001


async def test_a_crash_after_the_ledger_wastes_a_number_and_gives_none_twice(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice"))
    api.refuse["PATCH", "facilityusers", "cms-alice"] = "as if the operator had ended here"
    with pytest.raises(ClusterError):
        await give(api, cluster)
    api.refuse.clear()
    assert await give(api, cluster) == {"cms-alice": 20001}


async def test_nobody_new_is_no_reason_to_write(api: ApiServer, cluster: Cluster) -> None:
    api.put(user("alice", uid=20000))
    await give(api, cluster)
    assert api.writes() == []
