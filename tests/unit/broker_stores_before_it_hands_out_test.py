"""Rotation: the new refresh token is in its Secret before anybody gets what came with it, whatever fails when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from facility.broker.cache import Key, Token
from facility.broker.sealing import Seal
from facility.broker.secrets import SecretStore
from tests.fakes.broker_world import OPEN, SECRETS, USERS, World, eventually, facility, goes_away
from tests.fakes.patience import PATIENCE

SESSION = f"{SECRETS}/session-cms-alice"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        made.issuer.rotate = True
        yield made


def stored(world: World) -> str:
    """The refresh token in the Secret."""
    store = SecretStore(None, "facility", Seal(world.keys))  # type: ignore[arg-type] - nothing is asked of the API
    return str(store._open(world.api.objects[SESSION], "cms-alice").content["refresh_token"])


async def test_the_rotated_token_is_stored(world: World) -> None:
    for _ in range(3):
        assert (await world.token()).status == 200
        assert stored(world) == next(iter(world.issuer.grants))
        world.clock.pass_by(3600)


async def test_the_access_token_waits_for_the_store(world: World) -> None:
    go_on = world.api.held["PATCH", SESSION] = asyncio.Event()
    asking = asyncio.create_task(world.token())
    await eventually(lambda: world.api.requests[-1] == ("PATCH", SESSION))
    assert len(world.issuer.issued) == 1
    assert not asking.done()
    go_on.set()
    assert (await asking).status == 200


async def test_without_the_store_nothing_is_handed_out_and_nothing_is_lost(world: World) -> None:
    world.api.fault = lambda method, path: 500 if (method, path) == ("PATCH", SESSION) else None
    old = stored(world)
    for _ in range(2):
        answer = await world.token()
        assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert stored(world) == old
    assert len(world.issuer.forms) == 1  # the second ask tried to store first, and left the issuer alone
    world.api.fault = lambda _method, _path: None
    assert (await world.token()).status == 200
    assert stored(world) == next(iter(world.issuer.grants))


async def test_what_could_not_be_stored_is_stored_when_the_process_ends(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        world.issuer.rotate = True
        world.api.fault = lambda method, path: 500 if (method, path) == ("PATCH", SESSION) else None
        await world.token()
        world.api.fault = lambda _method, _path: None
    assert stored(world) == next(iter(world.issuer.grants))


async def test_a_process_that_ends_waits_for_the_refresh_under_way(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        world.issuer.rotate, world.issuer.gate = True, asyncio.Event()
        asking = asyncio.create_task(world.token())
        await eventually(lambda: len(world.issuer.forms) == 1)
        asking.cancel()  # even if nobody waits for the answer any more
        await asyncio.gather(asking, return_exceptions=True)
        asyncio.get_running_loop().call_later(0.05, world.issuer.gate.set)
    assert stored(world) == next(iter(world.issuer.grants))


async def test_a_rotated_token_is_stored_even_if_the_access_token_is_useless(world: World) -> None:
    world.issuer.claims = {"aud": "https://wlcg.cern.ch/jwt/v1/any"}
    assert (await world.token()).status == 503
    assert stored(world) == next(iter(world.issuer.grants))
    world.issuer.claims = {}
    assert (await world.token()).status == 200


async def test_a_caller_who_goes_away_in_the_middle_loses_no_rotation(world: World) -> None:
    await goes_away(world, world.token())
    assert (await world.token(scope=OPEN)).status == 200
    assert stored(world) == next(iter(world.issuer.grants))


async def test_a_restarted_broker_has_lost_nothing_but_its_cache(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        world.issuer.rotate = True
        first = (await world.token()).body["access_token"]
        async with world.running_broker():
            assert (await world.state())["state"] == "good"
            second = await world.token()
            assert second.status == 200
            assert second.body["access_token"] != first


async def test_a_refresh_token_that_somebody_else_rotated_and_stored_is_taken_over(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        world.issuer.rotate = True
        await world.token()
        older = world.broker, world._broker_url
        async with world.running_broker():  # as when a node was lost and came back with its broker
            await world.token()
            world.broker, world._broker_url = older
            world.clock.pass_by(3600)
            assert (await world.token()).status == 200


async def test_the_secret_holds_no_readable_byte_of_the_session(world: World) -> None:
    secret = world.api.objects[SESSION]
    assert set(secret["data"]) == {"key", "record"}
    assert secret["metadata"]["labels"]["analysis-facility.io/component"] == "session"
    owner = secret["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("FacilityUser", world.api.objects[f"{USERS}/cms-alice"]["metadata"]["uid"])
    assert "secret-bytes" not in str(secret)
    assert "sub-alice" not in str(secret)


async def test_nothing_that_is_fetched_is_cut_short_by_the_end_of_the_process(tmp_path: Path) -> None:
    begun, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def fetch(_: float) -> Token:
        begun.set()
        await gate.wait()
        done.set()
        return Token("token", OPEN, 0)

    async with facility(tmp_path) as world:
        caller = asyncio.create_task(world.broker.cache.get(Key("cms", "cms-alice", "audience", OPEN), fetch))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        caller.cancel()
        asyncio.get_running_loop().call_later(0.05, gate.set)
    assert done.is_set()
