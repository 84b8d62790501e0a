"""What `GET /wanted` says, and when: an agent that waits hears of what concerns it at once, and of nothing else."""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from facility.broker.app import tune
from facility.broker.changes import Changes, room
from tests.fakes.broker_world import EMBARGOED, LAKE, OPEN, USERS, World, eventually, facility_of_two
from tests.fakes.patience import PATIENCE


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility_of_two(tmp_path) as made:
        yield made


async def wanted(world: World, caller: str = "alice-pod", **query: Any) -> dict[str, Any]:
    answer = await world.ask("GET", "/wanted", caller, params={key: str(value) for key, value in query.items()})
    assert answer.status == 200, answer
    return answer.body


async def waiting(world: World, caller: str = "alice-pod") -> asyncio.Task[dict[str, Any]]:
    """A request that the broker holds back."""
    before = world.broker.changes._count
    seen = (await wanted(world, caller))["state"]
    asking = asyncio.create_task(wanted(world, caller, seen=seen, wait=60))
    await eventually(lambda: world.broker.changes._count == before + 1)
    return asking


async def test_who_has_not_seen_what_there_is_gets_it_at_once(world: World) -> None:
    found = await wanted(world, seen="something else", wait=60)
    assert [one["name"] for one in found["files"]] == ["lake", "compute"]
    assert "refused" not in found
    assert "again" not in found


async def test_who_has_seen_it_is_answered_when_the_time_is_over(world: World) -> None:
    seen = (await wanted(world))["state"]
    assert await wanted(world, seen=seen, wait=0.02) == await wanted(world)
    assert not world.broker.changes._waiting


@pytest.mark.parametrize("caller", ["alice-pod", "xcache"])
async def test_a_vo_that_closes_is_told_to_all_its_agents_at_once_and_so_is_its_opening(
    world: World, caller: str
) -> None:
    asking = await waiting(world, caller)
    world.change_vo(suspended=True)
    found = await asyncio.wait_for(asking, PATIENCE)
    sentence = "The virtual organization cms is suspended."
    assert found["refused"] == {"error": "access_denied", "error_description": sentence}
    assert found["files"][0]["audience"] == LAKE
    again = asyncio.create_task(wanted(world, caller, seen=found["state"], wait=60))
    await eventually(lambda: world.broker.changes._count == 1)
    world.change_vo(suspended=False)
    assert "refused" not in await asyncio.wait_for(again, PATIENCE)


async def test_a_session_that_ends_is_told_to_its_own_agent_and_to_no_other(world: World) -> None:
    alice, bob = await waiting(world), await waiting(world, "bob-pod")
    assert (await world.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204
    found = await asyncio.wait_for(alice, PATIENCE)
    assert found["refused"]["error"] == "interaction_required"
    assert "https://hub.test" in found["refused"]["error_description"]
    await asyncio.sleep(0)
    assert not bob.done()
    bob.cancel()


async def test_signing_in_again_is_told_at_once(world: World) -> None:
    await world.ask("DELETE", "/sessions/cms-alice", "hub")
    asking = await waiting(world)
    await world.sign_in()
    found = await asyncio.wait_for(asking, PATIENCE)
    assert "refused" not in found
    assert found["files"][0]["scope"]


async def test_a_person_who_is_deleted_is_told_at_once(world: World) -> None:
    await eventually(lambda: "cms-alice" in world.broker.user_mirror._versions)
    asking = await waiting(world)
    world.api.remove(f"{USERS}/cms-alice")
    assert (await asyncio.wait_for(asking, PATIENCE))["refused"]["error"] == "interaction_required"


async def test_a_new_lake_is_told_at_once_and_what_changes_nothing_is_not(world: World) -> None:
    asking = await waiting(world)
    lakes = world.broker.vos.get("cms").spec.model_dump(mode="json", by_alias=True)["lakes"]
    world.change_vo(displayName="CMS")
    await eventually(lambda: world.broker.vos.get("cms").spec.display_name == "CMS")
    await asyncio.sleep(0.01)
    assert not asking.done()
    world.change_vo(lakes=[*lakes, lakes[0] | {"prefix": "/more", "audience": "https://other.test"}])
    found = await asyncio.wait_for(asking, PATIENCE)
    assert [one["name"] for one in found["files"]] == ["lake", "lake2", "compute"]


async def test_the_agent_of_a_vo_that_is_gone_is_told_so(world: World) -> None:
    world.add_account("stranger", "facility", "xcache-gone")
    found = await wanted(world, "stranger")
    assert (found["files"], found["refused"]["error"]) == ([], "access_denied")


async def test_all_who_wait_are_sent_away_when_the_process_ends_and_come_back_one_after_the_other(
    world: World,
) -> None:
    asking = [await waiting(world), await waiting(world, "bob-pod"), await waiting(world, "xcache")]
    world.broker.changes.close()
    answers = await asyncio.wait_for(asyncio.gather(*asking), PATIENCE)
    assert all(5 <= one["again"] <= 30 for one in answers)
    assert len({one["again"] for one in answers}) > 1
    assert "again" in await wanted(world, seen=answers[0]["state"], wait=60)


async def test_more_than_may_wait_are_told_to_come_again(world: World) -> None:
    asking = await waiting(world)
    world.broker.changes._most = 1
    seen = (await wanted(world, "bob-pod"))["state"]
    assert "again" in await wanted(world, "bob-pod", seen=seen, wait=60)
    assert not asking.done()
    asking.cancel()


@pytest.mark.parametrize("wait", ["-1", "soon", "1e9", "", "nan", "99999"])
async def test_a_time_to_wait_that_is_none_is_refused(world: World, wait: str) -> None:
    answer = await world.ask("GET", "/wanted", "alice-pod", params={"wait": wait})
    assert (answer.status, answer.error) == (400, "invalid_request")


async def test_the_hub_keeps_no_files_and_does_not_wait_for_any(world: World) -> None:
    found = await wanted(world, "hub")
    assert found["files"] == []
    assert await wanted(world, "hub", seen=found["state"], wait=0.01) == found


async def test_an_access_point_hears_at_once_what_jobs_may_have(world: World) -> None:
    asking = await waiting(world, "ap")
    services = [
        {"name": "rucio", "audience": "rucio", "scopes": ["rucio"]},
        {"name": "fts", "audience": "https://fts.test:8446", "scopes": ["fts"], "consumers": ["notebook"]},
    ]
    world.change_vo(services=services)
    found = await asyncio.wait_for(asking, PATIENCE)
    listed = [(one["name"], one["scope"]) for one in found["files"]]
    assert listed == [("lake", f"{EMBARGOED} {OPEN}"), ("rucio", "rucio")]
    mine = await wanted(world)
    assert [one["name"] for one in mine["files"]] == ["lake", "compute", "rucio", "fts"]


@pytest.mark.parametrize(
    ("limit", "many"), [(512 << 20, 3276), (2 << 30, 20_000), (300 << 20, 563), (128 << 20, 100), ("max", 20_000)]
)
def test_as_many_may_wait_as_fit_into_the_process_s_memory(tmp_path: Path, limit: int | str, many: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert room(tmp_path / "memory.max") == many
    assert room(tmp_path / "none") == 20_000


async def test_a_connection_keeps_no_more_memory_than_a_tls_record_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", 1 << 18)
    monkeypatch.setattr("gc.set_threshold", lambda _: None)  # of the tests' own process
    tune()
    url = urlsplit(world._broker_url)
    _, writer = await asyncio.open_connection(url.hostname, url.port, ssl=world.authority.client())
    assert len(writer.transport._ssl_protocol._ssl_buffer) == 1 << 14  # type: ignore[attr-defined]
    writer.close()
    await writer.wait_closed()


def test_news_reach_exactly_those_who_listen_for_them() -> None:
    changes = Changes()
    with changes.listening("cms", "cms-alice") as alice, changes.listening("cms") as cache:
        changes.tell("cms-alice")
        assert (alice.is_set(), cache.is_set()) == (True, False)
        changes.tell("cms")
        assert cache.is_set()
    assert not changes._waiting
    changes.tell("cms")
