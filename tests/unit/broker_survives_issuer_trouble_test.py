"""An issuer that is away, slow, broken or refuses: what callers get, and what is said of the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from facility.broker.circuit import FIRST
from facility.exchange import SHORTEST
from tests.fakes.broker_world import LAKE, World, facility
from tests.fakes.token_issuer import problem

DUE = 3500.0  # seconds: so little of a token's life is left that a new one is asked for


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        yield made


TROUBLE = {
    "html": lambda: web.Response(text="<html>Bad Gateway</html>", content_type="text/html"),
    "html 502": lambda: web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html"),
    "server_error": lambda: problem(500, "server_error", "Internal Server Error"),
    "empty": lambda: web.Response(),
    "array": lambda: web.json_response([1]),
    "no token": lambda: web.json_response({"token_type": "Bearer"}),
    "no jwt": lambda: web.json_response({"access_token": "abc", "token_type": "Bearer"}),
    "redirect": lambda: web.Response(status=302, headers={"Location": "https://elsewhere.test/"}),
    "endless": lambda: web.Response(body=b" " * (2 << 20)),
    "busy": lambda: problem(429, "slow_down", "later"),
}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_an_issuer_out_of_order_ends_no_session(world: World, kind: str) -> None:
    world.issuer.answers = [TROUBLE[kind]()]
    answer = await world.token()
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await world.state())["state"] == "unknown"
    world.clock.pass_by(FIRST)
    assert (await world.token()).status == 200
    assert await world.state() == {"state": "good", "reason": "SignedIn"}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_the_token_at_hand_serves_while_the_issuer_is_out_of_order(world: World, kind: str) -> None:
    first = (await world.token()).body["access_token"]
    world.clock.pass_by(DUE)
    world.issuer.answers = [TROUBLE[kind]()]
    assert (await world.token()).body["access_token"] == first
    assert (await world.state())["state"] == "unknown"


async def test_tokens_at_hand_serve_until_they_expire_and_no_longer(world: World) -> None:
    first = (await world.token()).body["access_token"]
    world.issuer.down = True
    world.clock.pass_by(3599)
    answer = await world.token()
    assert (answer.body["access_token"], answer.body["expires_in"]) == (first, 1)
    world.clock.pass_by(1)
    answer = await world.token()
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert (await world.condition())["reason"] == "IssuerUnavailable"
    world.issuer.down = False
    world.clock.pass_by(2 * FIRST)  # it was away twice
    assert (await world.token()).status == 200
    found = await world.condition()
    assert (found["status"], found["reason"]) == ("True", "SignedIn")


async def test_a_token_is_not_handed_out_for_less_than_a_second(world: World) -> None:
    """Whoever gets one is told for how many seconds it is good: 0 would say nothing."""
    assert (await world.token()).status == 200
    world.issuer.down = True
    world.clock.pass_by(3599.5)
    for _ in range(2):  # the first asks the issuer, the second is told that it is away
        assert (await world.token()).status == 503


async def test_an_issuer_of_tokens_of_a_minute_is_missed_for_seconds_only(world: World) -> None:
    world.issuer.life = 60
    assert (await world.token()).status == 200
    world.issuer.down = True
    for _ in range(10):
        world.clock.pass_by(60)
        assert (await world.token()).status == 503
    world.issuer.down = False
    world.clock.pass_by(SHORTEST)
    assert (await world.token()).status == 200


async def test_an_issuer_that_cannot_be_reached_is_left_alone_for_a_moment(world: World) -> None:
    world.issuer.down = True
    for _ in range(20):
        assert (await world.token()).status == 503
    assert world.issuer.gets.total() in (1, 2)  # a GET over a connection that was cut is tried anew once
    assert world.issuer.forms == []


async def test_a_slow_issuer_keeps_nobody_waiting_for_ever(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        world.issuer_timeout = 0.05
        async with world.running_broker():
            await world.sign_in()
            first = (await world.token()).body["access_token"]
            world.issuer.gate = asyncio.Event()
            world.clock.pass_by(DUE)
            assert (await world.token()).body["access_token"] == first
            assert (await world.state()) == {"state": "unknown", "reason": "IssuerUnavailable"}
            world.issuer.gate.set()


async def test_the_issuer_of_one_vo_in_trouble_is_no_trouble_for_another(world: World) -> None:
    world.add_vo("atlas", issuer="https://127.0.0.1:1/")
    world.add_pod("bob-pod", "atlas-bob")
    world.add_pod("carol-pod", "cms-carol")
    assert (await world.hand_over("bob", "bobs-refresh", (LAKE,), vo="atlas")).status == 201
    assert (await world.token("bob-pod", scope="")).status in (403, 503)
    await world.sign_in("carol")
    assert (await world.token("carol-pod")).status == 200


@pytest.mark.parametrize(("status", "error"), [(401, "invalid_token"), (400, "invalid_grant")])
async def test_a_dead_refresh_token_ends_the_session_and_drops_what_is_cached(
    world: World, status: int, error: str
) -> None:
    await world.token()
    world.clock.pass_by(DUE)
    world.issuer.answers = [problem(status, error, "AUP must be signed")]
    answer = await world.token()
    assert (answer.status, answer.error) == (403, "interaction_required")
    assert "https://hub.test" in answer.description
    assert await world.state() == {"state": "dead", "reason": "SignInAgain"}
    assert not world.broker.cache.entries()
    found = await world.condition()
    assert (found["status"], found["reason"]) == ("False", "SignInAgain")
    asked = len(world.issuer.forms)
    assert (await world.token()).error == "interaction_required"
    assert len(world.issuer.forms) == asked


async def test_a_dead_session_stays_dead_over_a_restart_and_lives_again_after_sign_in(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        world.issuer.grants.pop(await world.sign_in())
        assert (await world.token()).error == "interaction_required"
        async with world.running_broker():
            assert (await world.state())["state"] == "dead"
            await world.sign_in()
            assert (await world.token()).status == 200
            assert (await world.condition())["status"] == "True"


async def test_a_wrong_client_secret_is_our_fault_and_ends_no_session(world: World) -> None:
    world.issuer.clients["facility"] = "changed at the issuer"
    answer = await world.token()
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert "refuses this facility's client" in answer.description
    assert await world.state() == {"state": "unknown", "reason": "ClientRefused"}
    found = await world.condition()
    assert (found["status"], found["reason"]) == ("Unknown", "ClientRefused")
    assert (await world.token("xcache")).status == 503


async def test_a_mended_client_secret_is_used_at_once(world: World) -> None:
    await world.token()
    world.issuer.clients["facility"] = "new-secret"
    world.set_client("cms", "new-secret")
    world.clock.pass_by(100)
    assert (await world.token("xcache")).status == 200
    world.clock.pass_by(DUE)
    assert (await world.token()).status == 200


async def test_a_missing_client_secret_says_so_and_the_cached_token_serves(world: World) -> None:
    first = (await world.token()).body["access_token"]
    world.clock.pass_by(DUE)
    world.api.remove("/api/v1/namespaces/facility/secrets/cms-client")
    assert (await world.token()).body["access_token"] == first
    assert (await world.state())["reason"] == "ClientRefused"


async def test_a_refresh_token_is_never_shown_to_another_issuer_or_as_another_client(world: World) -> None:
    world.clock.pass_by(61)
    world.issuer.clients["other"] = "s"
    world.set_client("cms", "s", identifier="other")
    assert (await world.token()).error == "interaction_required"
    assert world.issuer.forms == []
