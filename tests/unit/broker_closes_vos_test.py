"""A VO that is suspended gets no tokens and keeps its sessions; of one that is removed nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.fakes.broker_world import COMPUTE, EMBARGOED, OPEN, SECRETS, USERS, VOS, World, eventually, facility

SUSPENDED = "The virtual organization cms is suspended."
GOING = "The virtual organization cms is being removed."
CLOSED = {"state": "dead", "reason": "VOClosed"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        made.add_pod("bob-pod", "cms-bob")
        yield made


async def suspend(world: World, suspended: bool = True) -> None:
    world.change_vo(suspended=suspended)
    await eventually(lambda: world.broker.vos.closed("cms") == suspended)


async def reason(world: World, user: str, expected: str) -> None:
    """Returns once the person's object says so."""

    def told() -> bool:
        status = world.api.objects[f"{USERS}/{user}"].get("status") or {}
        return any(one["reason"] == expected for one in status.get("conditions", []))

    await eventually(told)


@pytest.mark.parametrize("caller", ["alice-pod", "ap", "xcache"])
async def test_nobody_of_a_suspended_vo_gets_a_token_and_everybody_is_told_why(world: World, caller: str) -> None:
    await world.sign_in()
    named = {"requested_subject": "cms_alice"} if caller == "ap" else {}
    assert (await world.token(caller, **named)).status == 200
    await suspend(world)
    answer = await world.token(caller, **named)
    assert (answer.status, answer.error, answer.description) == (403, "access_denied", SUSPENDED)
    assert await world.state() == CLOSED


async def test_cached_tokens_are_dropped_the_moment_a_vo_closes(world: World) -> None:
    await world.sign_in()
    first = (await world.token()).body["access_token"]
    await world.token("xcache")
    await suspend(world)
    assert not world.broker.cache.entries()
    await suspend(world, False)
    assert (await world.token()).body["access_token"] != first


async def test_a_token_that_was_being_fetched_when_the_vo_closed_goes_to_nobody(world: World) -> None:
    await world.sign_in()
    world.issuer.gate = asyncio.Event()
    asking = asyncio.create_task(world.token())
    await eventually(lambda: bool(world.issuer.forms))
    await suspend(world)
    world.issuer.gate.set()
    answer = await asking
    assert (answer.status, answer.description) == (403, SUSPENDED)
    assert not world.broker.cache.entries()


async def test_a_suspended_vo_that_opens_again_has_its_sessions_and_nobody_signs_in_anew(world: World) -> None:
    refresh = await world.sign_in()
    await suspend(world)
    await reason(world, "cms-alice", "VOClosed")
    await suspend(world, False)
    await reason(world, "cms-alice", "SignedIn")
    assert await world.state() == {"state": "good", "reason": "SignedIn"}
    assert (await world.token()).status == 200
    assert world.issuer.forms[-1]["refresh_token"] == refresh
    assert not world.issuer.revoked


async def test_everybody_s_object_says_that_the_vo_is_closed_and_only_that_vo_s(world: World) -> None:
    world.add_vo("atlas")
    await eventually(lambda: "atlas" in world.broker.vos._vos)
    await world.sign_in()
    await world.sign_in("bob")
    await world.sign_in("carol", vo="atlas")
    await world.ask("DELETE", "/sessions/cms-bob", "hub")
    await suspend(world)
    await reason(world, "cms-alice", "VOClosed")
    await reason(world, "cms-bob", "VOClosed")
    found = await world.condition()
    assert (found["status"], "suspended" in found["message"]) == ("False", True)
    assert (await world.condition("atlas-carol"))["reason"] == "SignedIn"
    await suspend(world, False)
    await reason(world, "cms-alice", "SignedIn")
    await reason(world, "cms-bob", "SignInAgain")


async def test_a_vo_closed_and_opened_while_no_broker_was_there_is_noticed_by_the_next(world: World) -> None:
    await world.sign_in()
    await suspend(world)
    await reason(world, "cms-alice", "VOClosed")
    async with world.running_broker():
        assert await world.state() == CLOSED
    world.change_vo(suspended=False)
    async with world.running_broker():
        await reason(world, "cms-alice", "SignedIn")
        assert (await world.token()).status == 200


async def test_nobody_signs_in_to_a_closed_vo(world: World) -> None:
    await suspend(world)
    answer = await world.hand_over("alice", world.issuer.grant("sub-alice", OPEN), (OPEN,))
    assert (answer.status, answer.error, answer.description) == (403, "access_denied", SUSPENDED)
    assert f"{USERS}/cms-alice" not in world.api.objects


async def test_a_vo_that_is_removed_loses_its_sessions_here_and_at_the_issuer(world: World) -> None:
    tokens = {await world.sign_in(), await world.sign_in("bob")}
    await world.token()
    world.begin_removal()
    await eventually(lambda: not [path for path in world.api.objects if "/session-" in path])
    assert set(world.issuer.revoked) == tokens
    answer = await world.token()
    assert (answer.status, answer.error, answer.description) == (403, "access_denied", GOING)
    assert await world.state("cms-bob") == CLOSED
    await reason(world, "cms-alice", "VOClosed")
    await reason(world, "cms-bob", "VOClosed")


async def test_a_vo_that_goes_takes_nobody_else_s_session_along(world: World) -> None:
    world.add_vo("atlas")
    await eventually(lambda: "atlas" in world.broker.vos._vos)
    await world.sign_in()
    kept = await world.sign_in("carol", vo="atlas")
    world.begin_removal()
    await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)
    assert f"{SECRETS}/session-atlas-carol" in world.api.objects
    assert kept in world.issuer.grants


async def test_sessions_that_no_broker_has_in_memory_are_ended_too(world: World) -> None:
    tokens = {await world.sign_in(), await world.sign_in("bob")}
    async with world.running_broker():
        assert not world.broker.sessions._known
        world.begin_removal()
        await eventually(lambda: not [path for path in world.api.objects if "/session-" in path])
        assert set(world.issuer.revoked) == tokens


async def test_a_broker_that_died_in_the_middle_of_a_removal_is_followed_by_one_that_ends_it(world: World) -> None:
    await world.sign_in()
    await world.sign_in("bob")
    bob = f"{SECRETS}/session-cms-bob"
    world.api.fault = lambda method, path: 500 if (method, path) == ("DELETE", bob) else None
    world.begin_removal()
    await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)
    assert bob in world.api.objects
    world.api.fault = lambda _method, _path: None
    async with world.running_broker():
        await eventually(lambda: bob not in world.api.objects)


@pytest.mark.parametrize("trouble", ["down", "refuses", "no client"])
async def test_an_issuer_in_trouble_does_not_hold_a_removal_up(world: World, trouble: str) -> None:
    await world.sign_in()
    if trouble == "down":
        world.issuer.down = True
    elif trouble == "refuses":
        world.issuer.clients.clear()
    else:
        world.api.remove(f"{SECRETS}/cms-client")
        world.clock.pass_by(61)
    world.begin_removal()
    await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)


async def test_an_issuer_that_is_slow_is_given_half_of_the_time_that_a_removal_may_take(world: World) -> None:
    for name in ("alice", "bob"):
        await world.sign_in(name)
    world.broker.closing._revoking = 0.0
    world.begin_removal()
    await eventually(lambda: not [path for path in world.api.objects if "/session-" in path])
    assert not world.issuer.revoked


async def test_a_session_that_no_key_opens_is_removed_all_the_same(world: World) -> None:
    await world.sign_in()
    (world.keys / "current").unlink()
    async with world.running_broker():
        world.begin_removal()
        await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)


async def test_a_vo_whose_object_vanished_loses_its_sessions_even_if_no_broker_saw_it(world: World) -> None:
    await world.sign_in()
    await reason(world, "cms-alice", "SignedIn")
    refresh = next(iter(world.issuer.grants))
    world.api.remove(f"{VOS}/cms")
    await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)
    assert world.issuer.revoked == [refresh]
    await reason(world, "cms-alice", "VOClosed")


async def test_what_a_vo_left_behind_while_no_broker_was_there_is_removed_by_the_next(world: World) -> None:
    await world.sign_in()
    await world.sign_in("bob")
    left = {path: item for path, item in world.api.objects.items() if "/session-" in path}
    vo = world.api.objects[f"{VOS}/cms"]
    world.api.remove(f"{VOS}/cms")
    await eventually(lambda: not world.api.objects.keys() & left.keys())
    for path, item in left.items():
        world.api.put(path, item)
    async with world.running_broker():
        await eventually(lambda: not world.api.objects.keys() & left.keys())
        world.api.put(f"{VOS}/cms", vo)
        await eventually(lambda: not world.broker.vos.closed("cms"))
        await world.sign_in()
        assert (await world.token()).status == 200


async def test_an_object_that_nobody_can_read_can_still_be_removed(world: World) -> None:
    refresh = await world.sign_in()
    item = world.api.objects[f"{VOS}/cms"]
    broken = {**item, "spec": {"issuer": 7}, "metadata": {**item["metadata"], "deletionTimestamp": "now"}}
    world.api.put(f"{VOS}/cms", broken)
    await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)
    assert world.issuer.revoked == [refresh]
    async with world.running_broker():
        assert (await world.token()).error == "access_denied"


async def test_a_sign_in_that_ends_while_its_vo_goes_leaves_no_session(world: World) -> None:
    await world.sign_in("bob")
    path = f"{SECRETS}/session-cms-alice"
    world.api.held["POST", SECRETS] = asyncio.Event()
    token = world.issuer.grant("sub-alice", OPEN)
    signing_in = asyncio.create_task(world.hand_over("alice", token, (OPEN,)))
    await eventually(lambda: world.api.requests.count(("POST", SECRETS)) == 2)
    world.begin_removal()
    await eventually(lambda: f"{SECRETS}/session-cms-bob" not in world.api.objects)
    world.api.held["POST", SECRETS].set()
    answer = await signing_in
    assert (answer.status, answer.description) == (403, GOING)
    assert path not in world.api.objects
    assert token in world.issuer.revoked


async def test_signing_out_of_a_suspended_vo_still_ends_the_session_at_the_issuer(world: World) -> None:
    refresh = await world.sign_in("alice", EMBARGOED, *COMPUTE)
    await suspend(world)
    assert (await world.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204
    assert world.issuer.revoked == [refresh]


async def test_a_status_that_the_operator_writes_closes_and_tells_nothing(world: World) -> None:
    await world.sign_in()
    first = (await world.token()).body["access_token"]
    item = world.api.objects[f"{VOS}/cms"]
    world.api.put(f"{VOS}/cms", {**item, "status": {"users": 12}})
    await eventually(lambda: world.broker.vos._vos["cms"].status.users is not None)
    assert (await world.token()).body["access_token"] == first


async def test_an_empty_client_id_is_refused_as_configuration(world: World) -> None:
    await world.sign_in()
    world.set_client("cms", "secret", identifier=" ")
    world.clock.pass_by(61)
    answer = await world.token()
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert "refuses this facility's client" in answer.description
    assert await world.state() == {"state": "unknown", "reason": "ClientRefused"}
    assert world.issuer.forms == []


async def test_the_issuer_s_refusal_to_revoke_is_no_error(world: World) -> None:
    await world.sign_in()
    world.issuer.answers = [web.Response(status=500)]
    world.begin_removal()
    await eventually(lambda: f"{SECRETS}/session-cms-alice" not in world.api.objects)
