"""Single flight, late renewal, spread: how seldom the issuer is asked, and that refreshes never overlap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from facility.broker.cache import Key, Token, TokenCache
from facility.broker.errors import unavailable
from tests.fakes.broker_world import COMPUTE, EMBARGOED, LAKE, OPEN, World, eventually, facility, goes_away
from tests.fakes.clock import Clock

KEY = Key("cms", "cms-alice", LAKE, OPEN)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        yield made


async def test_a_hundred_asks_at_once_are_one_review_and_one_refresh(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.issuer.gate = asyncio.Event()
    get, asked = world.broker.cache.get, []
    monkeypatch.setattr(world.broker.cache, "get", lambda *args: asked.append(args) or get(*args))
    asks = [asyncio.create_task(world.token()) for _ in range(100)]
    await eventually(lambda: len(asked) == 100)
    assert world.api.requests.count(("GET", "/api/v1/namespaces/facility-users/pods/jupyter-cms-alice")) == 1
    world.issuer.gate.set()
    answers = await asyncio.gather(*asks)
    assert {answer.status for answer in answers} == {200}
    assert {answer.body["access_token"] for answer in answers} == {world.issuer.issued[0]}
    assert len(world.issuer.forms) == 1


async def test_the_order_of_scopes_makes_no_second_token(world: World) -> None:
    one = await world.token(scope=f"{EMBARGOED} {OPEN}")
    two = await world.token(scope=f"{OPEN} {EMBARGOED}")
    assert one.body["access_token"] == two.body["access_token"]


@pytest.mark.parametrize("rotate", [False, True])
async def test_two_refreshes_of_one_refresh_token_never_overlap(world: World, rotate: bool) -> None:
    world.issuer.rotate = rotate
    asks = [world.token(audience=world.compute, scope=scope) for scope in COMPUTE]
    asks += [world.token(scope=scope) for scope in (EMBARGOED, OPEN)]
    assert {answer.status for answer in await asyncio.gather(*asks)} == {200}
    assert len(world.issuer.forms) == 6
    assert not world.issuer.overlapped


async def test_a_caller_who_goes_away_takes_the_token_from_nobody(world: World) -> None:
    await goes_away(world, world.token())
    assert (await world.token()).status == 200
    assert len(world.issuer.forms) == 1


async def test_a_token_is_renewed_when_little_of_its_life_is_left(world: World) -> None:
    first = (await world.token()).body["access_token"]
    world.clock.pass_by(3600 - 181)
    again = await world.token()
    assert (again.body["access_token"], again.body["expires_in"]) == (first, 181)
    world.clock.pass_by(181 - 119)
    assert (await world.token()).body["access_token"] != first


@pytest.mark.parametrize(
    ("life", "spread", "left"),
    [(3600, -1, 120), (3600, 0, 150), (3600, 1, 180), (240, 0, 150), (210, -1, 112), (60, -1, 32), (60, 1, 48)],
)
async def test_how_little_differs_by_a_fifth_and_is_two_thirds_of_short_lives(
    life: float, spread: float, left: float
) -> None:
    clock, calls = Clock(), 0

    async def fetch(_: float) -> Token:
        nonlocal calls
        calls += 1
        return Token(f"token-{calls}", OPEN, clock() + life)

    cache = TokenCache(clock, lambda: spread)
    for passed, expected in ((0.0, 1), (life - left - 0.5, 1), (1.0, 2)):
        clock.pass_by(passed)
        await cache.get(KEY, fetch)
        assert calls == expected


async def test_a_token_is_never_handed_out_after_it_has_expired() -> None:
    clock = Clock()
    cache = TokenCache(clock)

    async def good(_: float) -> Token:
        return Token("token", OPEN, clock() + 100)

    async def away(_: float) -> Token:
        raise unavailable("away")

    await cache.get(KEY, good)
    clock.pass_by(99)
    assert (await cache.get(KEY, away)).value == "token"
    clock.pass_by(1)
    with pytest.raises(Exception, match="away"):
        await cache.get(KEY, away)


async def test_what_is_dropped_while_it_is_fetched_is_not_kept() -> None:
    clock, gate, calls = Clock(), asyncio.Event(), 0
    cache = TokenCache(clock)

    async def fetch(_: float) -> Token:
        nonlocal calls
        calls += 1
        await gate.wait()
        return Token(f"token-{calls}", OPEN, clock() + 100)

    early = asyncio.create_task(cache.get(KEY, fetch))
    await eventually(lambda: calls == 1)
    cache.drop("cms", "cms-alice")
    gate.set()
    assert (await early).value == "token-1"
    assert (await cache.get(KEY, fetch)).value == "token-2"


async def test_access_points_and_notebooks_share_one_token(world: World) -> None:
    notebook, job = await world.token(), await world.token("ap", requested_subject="cms_alice")
    assert notebook.body["access_token"] == job.body["access_token"]


async def test_issuers_are_asked_for_their_metadata_and_keys_seldom(world: World) -> None:
    for scope in (EMBARGOED, OPEN, f"{EMBARGOED} {OPEN}"):
        await world.token(scope=scope)
    assert set(world.issuer.gets.values()) == {1}
