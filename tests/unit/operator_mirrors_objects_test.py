"""A mirror shows what the cluster has, whatever becomes of its watch, and lists again only when it must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from facility.operator import entries
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.entries import Person
from facility.operator.mirror import Mirror, Watched
from facility.operator.objects import FACILITY_USER, STATEFUL_SET
from facility.users import FacilityUser, FacilityUserSpec
from tests.fakes.apiserver import ApiServer
from tests.fakes.operator_world import connected, user
from tests.fakes.patience import PATIENCE


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as made:
        yield made


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[Cluster]:
    async with connected(api) as made:
        yield made


class Seen:
    """What a mirror has told."""

    def __init__(self) -> None:
        self.news: list[tuple[str, bool, bool, bool]] = []
        self.broken = 0
        self._event = asyncio.Event()

    def changed(self, name: str, before: Person | None, after: Person | None, own: bool) -> None:
        self.news.append((name, before is not None, after is not None, own))
        self._event.set()

    def restarted(self) -> None:
        self.broken += 1
        self._event.set()

    async def more(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._event.wait()
        self._event.clear()


def mirror(cluster: Cluster, seen: Seen) -> Mirror[Person]:
    return Mirror(cluster, Watched(FACILITY_USER, "facility"), entries.person, seen.changed, seen.restarted)


@asynccontextmanager
async def following(made: Mirror[Person], api: ApiServer) -> AsyncIterator[None]:
    running = asyncio.create_task(made.run())
    await api.until(lambda: "facilityusers" in api.watched())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_long_list_comes_in_pages(api: ApiServer, cluster: Cluster) -> None:
    for number in range(1100):
        api.put(user(f"u{number}"))
    made = mirror(cluster, Seen())
    await made.refresh()
    assert len(made) == 1100
    assert made["cms-u1099"].sub == "sub-u1099"
    assert len([path for _, path in api.requests if path == "facility/facilityusers"]) == 3


async def test_changes_are_told_with_what_was_before(api: ApiServer, cluster: Cluster) -> None:
    seen = Seen()
    made = mirror(cluster, seen)
    await made.refresh()
    async with following(made, api):
        api.put(user("alice"))
        await seen.more()
        api.put(user("alice", uid=20000))
        await seen.more()
        api.remove("FacilityUser", "cms-alice")
        await seen.more()
    assert seen.news == [
        ("cms-alice", False, True, False),
        ("cms-alice", True, True, False),
        ("cms-alice", True, False, False),
    ]
    assert len(made) == 0


async def test_what_the_operator_does_not_mind_is_no_news(api: ApiServer, cluster: Cluster) -> None:
    seen = Seen()
    made = mirror(cluster, seen)
    await made.refresh()
    async with following(made, api):
        alice = api.put(user("alice"))
        await seen.more()
        api.put({**alice, "metadata": {**alice["metadata"], "labels": {"a": "b"}}})
        api.put(user("bob"))
        await seen.more()
    assert [name for name, *_ in seen.news] == ["cms-alice", "cms-bob"]


async def test_a_broken_watch_goes_on_where_it_was_without_another_list(api: ApiServer, cluster: Cluster) -> None:
    seen = Seen()
    made = mirror(cluster, seen)
    await made.refresh()
    async with following(made, api):
        api.requests.clear()
        api.disconnect()
        api.put(user("alice"))
        await seen.more()
        await api.until(lambda: bool(api.requests))
    assert seen.news == [("cms-alice", False, True, False)]
    assert ("GET", "facility/facilityusers") in api.requests
    assert len(api.requests) == 1  # the next watch


async def test_what_happened_while_nothing_was_remembered_is_found_by_listing(
    api: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facility.operator.mirror._FIRST", 0.01)
    seen = Seen()
    made = mirror(cluster, seen)
    api.put(user("alice"))
    api.put(user("bob"))
    await made.refresh()
    async with following(made, api):
        api.disconnect()
        api.remove("FacilityUser", "cms-alice")
        api.remove("FacilityUser", "cms-bob")
        api.put(user("carol"))
        api.forget()
        while set(made) != {"cms-carol"}:
            await seen.more()
    assert seen.broken == 1


async def test_an_own_write_is_known_at_once_and_an_older_event_undoes_nothing(
    api: ApiServer, cluster: Cluster
) -> None:
    seen = Seen()
    made = mirror(cluster, seen)
    old = dict(api.put(user("alice")), metadata=dict(api.get("FacilityUser", "cms-alice")["metadata"]))
    await made.refresh()
    new = api.put(user("alice", uid=20000))
    made.note(new, own=True)
    made.note(old)
    assert made["cms-alice"].uid == 20000
    assert seen.news[-1] == ("cms-alice", True, True, True)


async def test_a_list_that_is_refused_is_told(api: ApiServer, cluster: Cluster) -> None:
    api.refuse["GET", "facilityusers", ""] = "etcdserver: request timed out"
    with pytest.raises(ClusterError, match="timed out"):
        await mirror(cluster, Seen()).refresh()


def stateful_set(*managers: dict[str, object], **meta: object) -> dict[str, object]:
    return {"metadata": {"name": "x", "uid": "u", "resourceVersion": "7", "managedFields": list(managers), **meta}}


OURS = {"manager": "facility-operator", "operation": "Apply", "time": "t1"}
STATUS = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "t1"}


def test_a_controllers_status_is_no_change_of_an_object_and_anybodys_edit_is() -> None:
    before = entries.built(stateful_set(OURS, STATUS))
    assert entries.built(stateful_set(OURS, {**STATUS, "time": "t2"}, resourceVersion="8")) == before
    edit = {"manager": "kubectl-edit", "operation": "Update", "time": "t2"}
    assert entries.built(stateful_set(OURS, STATUS, edit)) != before
    assert entries.built(stateful_set(OURS, STATUS, uid="another")) != before
    assert entries.built(stateful_set(OURS, STATUS, deletionTimestamp="t")).going


def test_without_a_record_of_writers_every_version_is_a_change() -> None:
    one = entries.built(stateful_set())
    assert entries.built(stateful_set(resourceVersion="8")) != one


def test_nothing_that_a_person_is_gets_lost_on_the_way_through_a_mirror() -> None:
    whole = user("alice", "cms", 20001)
    whole["spec"] |= {"jobsSuspended": "They overload the lake."}
    assert set(whole["spec"]) == set(FacilityUserSpec.model_json_schema(by_alias=True)["properties"])
    kept = entries.person(whole).manifest("cms-alice")
    assert FacilityUser.parse(kept).spec == FacilityUser.parse(whole).spec


def test_a_malformed_person_is_of_no_vo() -> None:
    assert entries.person({"metadata": {"name": "x"}, "spec": {"vo": 1, "uid": "20000"}}) == Person(
        "", "", "", None, ""
    )


def test_of_a_secret_only_the_names_of_filled_keys_stay() -> None:
    data = {"client_id": "aWQ=", "client_secret": "", "odd": "?"}
    held = entries.held({"metadata": {"name": "x", "resourceVersion": "1"}, "data": data})
    assert held.keys == {"client_id"}
    assert "id" not in repr(held).replace("client_id", "")


def test_a_watch_is_named_by_what_it_watches() -> None:
    assert str(Watched(STATEFUL_SET, "facility")) == "StatefulSet facility"
