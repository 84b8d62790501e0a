"""A restart of everything asks the issuer for nothing that was still good, and brings back nothing that was dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from facility.broker import shelf
from facility.broker.store import Kind
from tests.fakes.authority import Authority
from tests.fakes.broker_world import EMBARGOED, LAKE, OPEN, SECRETS, USERS, VOS, World, eventually, facility

TOKENS = f"{SECRETS}/tokens-cms-alice"
PEOPLE = ("alice", "bob", "carol")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """All but the broker."""
    made = World(Authority(tmp_path), tmp_path)
    async with made.neighbours():
        for name in PEOPLE:
            made.add_pod(f"{name}-pod", f"cms-{name}")
        yield made


async def everything(world: World) -> list[str]:
    """All tokens that anybody here asks for."""
    asks = [world.token(f"{name}-pod", **ask) for name in PEOPLE for ask in ({}, {"audience": world.compute})]
    asks += [
        world.token("alice-pod", scope=OPEN),
        world.token("ap", requested_subject="cms_bob"),
        world.token("xcache"),
    ]
    answers = await asyncio.gather(*asks)
    assert {answer.status for answer in answers} == {200}
    return [answer.body["access_token"] for answer in answers]


def asked(world: World) -> int:
    """Requests that the issuer got, of any kind."""
    return len(world.issuer.forms) + world.issuer.gets.total()


def written(world: World) -> bool:
    """Whether nothing waits to be written, or is just being."""
    shelves = world.broker.shelf
    return not shelves._due and not any(lock.locked() for lock in shelves._locks.values())


async def test_a_restart_of_everything_asks_the_issuer_for_nothing(world: World) -> None:
    world.issuer.rotate = True
    async with world.running_broker():
        for name in PEOPLE:
            await world.sign_in(name)
        first = await everything(world)
    for _ in range(2):
        before = asked(world)
        async with world.running_broker():
            assert await everything(world) == first
            assert asked(world) == before


async def test_a_broker_that_is_killed_leaves_its_tokens_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SOON", 0.01)
    monkeypatch.setattr(shelf, "SELDOM", 0.01)
    async with world.running_broker():
        for name in PEOPLE:
            await world.sign_in(name)
        first = await everything(world)
        owners = {f"{SECRETS}/tokens-{owner}" for owner in ("cms", *(f"cms-{name}" for name in PEOPLE))}
        await eventually(lambda: owners <= world.api.objects.keys())
        await eventually(lambda: written(world))
        world.api.fault = lambda method, path: 500 if method != "GET" and "/secrets" in path else None  # nothing more
        before = asked(world)
    world.api.fault = lambda _method, _path: None
    async with world.running_broker():
        assert await everything(world) == first
        assert asked(world) == before


async def test_a_token_that_is_due_is_renewed_after_a_restart_as_before(world: World) -> None:
    async with world.running_broker():
        await world.sign_in()
        first = (await world.token()).body["access_token"]
    world.clock.pass_by(3600 - 60)
    async with world.running_broker():
        assert (await world.token()).body["access_token"] != first


async def test_an_issuer_that_is_away_at_a_restart_is_no_trouble_while_tokens_are_good(world: World) -> None:
    async with world.running_broker():
        await world.sign_in()
        first = (await world.token()).body["access_token"]
    world.issuer.down = True
    world.clock.pass_by(3599)
    async with world.running_broker():
        assert (await world.token()).body["access_token"] == first
        world.clock.pass_by(1)
        assert (await world.token()).status == 503


async def test_tokens_are_written_once_for_all_that_come_together(world: World) -> None:
    async with world.running_broker():
        await world.sign_in()
        for ask in ({}, {"audience": world.compute}, {"scope": OPEN}, {"scope": EMBARGOED}):
            await world.token(**ask)
        begun = len(world.api.requests)
    writes = [one for one in world.api.requests[begun:] if one[0] in ("POST", "PATCH") and "/secrets" in one[1]]
    assert writes == [("POST", SECRETS)]
    assert len(world.issuer.forms) == 4


async def test_nobody_s_tokens_are_written_more_often_than_every_ten_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SOON", 0.01)
    async with world.running_broker():
        await world.sign_in()
        await world.token()
        await eventually(lambda: TOKENS in world.api.objects)
        await eventually(lambda: written(world))
        await world.token(scope=OPEN)
        due = world.broker.shelf._due["cms-alice"] - world.broker.shelf._pulse()
        assert 5 < due <= shelf.SELDOM


async def test_what_is_stored_cannot_be_read_without_the_key_and_goes_with_its_person(world: World) -> None:
    async with world.running_broker():
        await world.sign_in()
        token = (await world.token()).body["access_token"]
    stored = world.api.objects[TOKENS]
    assert token not in str(stored)
    assert "sub-alice" not in str(stored)
    owner = stored["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("FacilityUser", world.api.objects[f"{USERS}/cms-alice"]["metadata"]["uid"])


@pytest.mark.parametrize("end", ["signed out", "dead", "signed in anew", "person removed"])
async def test_tokens_of_a_session_that_is_over_do_not_come_back(world: World, end: str) -> None:
    async with world.running_broker():
        refresh = await world.sign_in()
        first = (await world.token()).body["access_token"]
    async with world.running_broker():  # which has none of it in memory
        if end == "signed out":
            await world.ask("DELETE", "/sessions/cms-alice", "hub")
        elif end == "dead":
            world.issuer.grants.pop(refresh)
            await world.token(scope=OPEN)
        elif end == "signed in anew":
            await world.sign_in()
        else:
            world.api.remove(f"{USERS}/cms-alice")
        await eventually(lambda: TOKENS not in world.api.objects)
    async with world.running_broker():
        assert (await world.token()).body.get("access_token") != first


@pytest.mark.parametrize("away", [True, False])
async def test_tokens_of_a_vo_that_closed_are_gone_even_if_no_broker_was_there(world: World, away: bool) -> None:
    async with world.running_broker():
        await world.sign_in()
        await world.token()
        await world.token("xcache")
    if away:
        world.change_vo(suspended=True)
    async with world.running_broker():
        world.change_vo(suspended=True)
        await eventually(lambda: not [path for path in world.api.objects if "/tokens-" in path])
        assert (await world.token()).error == "access_denied"


async def test_tokens_of_another_issuer_are_nobody_s(world: World) -> None:
    async with world.running_broker():
        await world.sign_in()
        first = (await world.token()).body["access_token"]
    item = world.api.objects[f"{VOS}/cms"]
    world.api.put(f"{VOS}/cms", {**item, "spec": {**item["spec"], "issuer": world.issuer.url.rstrip("/")}})
    async with world.running_broker():
        assert (await world.token()).body.get("access_token") != first


async def test_what_is_dropped_while_it_is_read_is_not_taken_in(world: World) -> None:
    async with world.running_broker():
        await world.sign_in()
        await world.token()
    async with world.running_broker():
        world.api.held["GET", TOKENS] = asyncio.Event()
        asking = asyncio.create_task(world.token())
        await eventually(lambda: ("GET", TOKENS) in world.api.requests[-3:])
        world.change_vo(suspended=True)
        await eventually(lambda: world.broker.vos.closed("cms"))
        world.api.held["GET", TOKENS].set()
        assert (await asking).error == "access_denied"
        assert not world.broker.cache.entries()


async def test_a_store_that_cannot_be_read_means_asking_the_issuer(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        world.api.fault = lambda method, path: 500 if (method, path) == ("GET", TOKENS) else None
        assert (await world.token()).status == 200


async def test_a_document_that_nobody_can_open_makes_room_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SOON", 0.01)
    async with facility(tmp_path) as world:
        await world.sign_in()
        meta = {"labels": {"analysis-facility.io/component": "tokens"}}
        world.api.fault = lambda method, path: 500 if (method, path) == ("GET", TOKENS) else None
        await world.token()  # what is stored is not known at this moment
        world.api.put(TOKENS, {"metadata": meta, "data": {"key": "", "record": ""}})
        world.api.fault = lambda _method, _path: None
        await eventually(lambda: bool(world.api.objects.get(TOKENS, {}).get("data", {}).get("record")))
        world.broker.cache.drop("cms", "cms-alice")
        await eventually(lambda: TOKENS not in world.api.objects)  # and it goes on


@pytest.mark.parametrize("tokens", [[{"audience": LAKE}], [7], 7, [{"expires": "soon"}]])
async def test_what_another_version_wrote_is_asked_for_again(tmp_path: Path, tokens: Any) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        content = {"user": "cms-alice", "issuer": world.issuer.url, "tokens": tokens}
        await world.broker.store.write(Kind.TOKENS, content, None)
        assert (await world.token()).status == 200
