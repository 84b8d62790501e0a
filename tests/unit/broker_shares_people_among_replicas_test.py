"""Two replicas: everybody is one's or the other's, both answer for all, and no refresh token is used by both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from facility.broker.sessions import Session
from facility.broker.shards import SHARDS, MovedError, dealt, shard_of
from facility.kubernetes import ApiError
from tests.fakes.authority import Authority
from tests.fakes.broker_world import COMPUTE, OPEN, SECRETS, USERS, World, eventually
from tests.fakes.patience import PATIENCE
from tests.fakes.replicas import ALICE, SHORT, TIMEOUT, here, replica, two

LEASES = "/apis/coordination.k8s.io/v1/namespaces/facility/leases"
SESSION = f"{SECRETS}/session-cms-alice"
TOKENS = f"{SECRETS}/tokens-cms-alice"
Pair = tuple[World, World]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """The replica that holds alice's shard, and the other one."""
    async with two(tmp_path) as made:
        yield made


def holders(world: World) -> list[str]:
    """The pods that hold the shards, by number."""
    leases = [world.api.objects[f"{LEASES}/broker-shard-{shard:02}"] for shard in range(SHARDS)]
    return [str(lease["spec"].get("holderIdentity", "")).rpartition("_")[0] for lease in leases]


def test_everybody_has_a_shard_and_it_is_always_the_same() -> None:
    assert shard_of("cms-alice") == 12
    assert {shard_of(f"cms-u{number}") for number in range(1000)} == set(range(SHARDS))


def test_replicas_share_alike_and_little_moves_when_one_comes_or_goes() -> None:
    two_of_them, three = dealt(["a", "b"]), dealt(["a", "b", "c"])
    assert sorted(list(two_of_them.values()).count(pod) for pod in "ab") == [8, 8]
    assert sorted(list(three.values()).count(pod) for pod in "abc") == [5, 5, 6]
    assert sum(two_of_them[shard] != three[shard] for shard in range(SHARDS)) <= 8
    assert dealt(["b", "a"]) == two_of_them
    assert dealt([]) == {}


async def test_each_shard_is_one_replica_s(pair: Pair) -> None:
    one, other = pair
    assert one.broker.holding.shards | other.broker.holding.shards == set(range(SHARDS))
    assert not one.broker.holding.shards & other.broker.holding.shards
    assert sorted(map(holders(one).count, ("broker-a", "broker-b"))) == [8, 8]


async def test_whoever_is_asked_gives_the_same_token_and_the_issuer_is_asked_once(pair: Pair) -> None:
    one, other = pair
    await other.sign_in()
    first, second = await other.token(), await one.token()
    assert (first.status, second.status) == (200, 200)
    assert first.body["access_token"] == second.body["access_token"]
    assert len(one.issuer.forms) == 1
    assert not other.broker.sessions._known
    assert not other.broker.cache.entries()


async def test_refusals_come_back_as_they_are(pair: Pair) -> None:
    one, other = pair
    answer = await other.token()
    assert (answer.status, answer.error) == (403, "interaction_required")
    refresh = await other.sign_in()
    answer = await other.token(audience="https://elsewhere.test")
    assert (answer.status, answer.error) == (400, "invalid_target")
    one.issuer.grants.pop(refresh)
    answer = await other.token()
    assert (answer.status, answer.error) == (403, "interaction_required")


async def test_the_hub_may_ask_either_about_anybody(pair: Pair) -> None:
    one, other = pair
    refresh = await other.sign_in()
    assert (await other.state(), await one.state()) == ({"state": "good", "reason": "SignedIn"},) * 2
    one.issuer.down = True
    one.clock.pass_by(3600)
    assert (await other.token()).status == 503
    assert (await other.state())["reason"] == "IssuerUnavailable"
    one.issuer.down = False
    one.clock.pass_by(60)
    assert (await other.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204
    assert one.issuer.revoked == [refresh]
    assert (await one.state())["state"] == "dead"


async def test_a_request_that_was_passed_on_is_passed_on_no_further(pair: Pair) -> None:
    _, other = pair
    await other.sign_in()
    answer = await other.ask("GET", f"/sessions/{ALICE}", "hub", headers={"X-Facility-Forwarded": "1"})
    assert (answer.status, answer.body["state"]) == (200, "good")  # from what is stored
    grant = {"X-Facility-Forwarded": "1"}
    refused = await other.ask("DELETE", f"/sessions/{ALICE}", "hub", headers=grant)
    assert (refused.status, refused.error) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("first", [0, 1])
async def test_an_agent_that_waits_at_either_replica_hears_of_the_end_of_its_session(pair: Pair, first: int) -> None:
    await pair[0].sign_in()
    await pair[0].token()
    asked = pair[first]
    seen = (await asked.ask("GET", "/wanted", "alice-pod")).body["state"]
    waiting = asyncio.create_task(asked.ask("GET", f"/wanted?seen={seen}&wait=60", "alice-pod"))
    await eventually(lambda: asked.broker.changes.count == 1)
    assert (await pair[1].ask("DELETE", f"/sessions/{ALICE}", "hub")).status == 204
    answer = await asyncio.wait_for(waiting, PATIENCE)
    assert answer.body["refused"]["error"] == "interaction_required"


async def test_a_closed_vo_has_no_tokens_left_anywhere(pair: Pair) -> None:
    one, other = pair
    await one.sign_in()
    for asked in pair:
        assert (await asked.token()).status == 200
        assert (await asked.token("xcache")).status == 200
    await one.broker.shelf.flush()
    await other.broker.shelf.flush()
    assert TOKENS in one.api.objects
    one.change_vo(suspended=True)
    await eventually(lambda: not [path for path in one.api.objects if "/tokens-" in path])
    for asked in pair:
        await eventually(lambda asked=asked: asked.broker.vos.closed("cms"))  # type: ignore[misc]
        assert not asked.broker.cache.entries()
        assert (await asked.token()).error == "access_denied"


async def test_a_person_who_is_removed_has_nothing_left_anywhere(pair: Pair) -> None:
    one, other = pair
    await one.sign_in()
    await other.token()
    await one.broker.shelf.flush()
    one.api.remove(f"{USERS}/{ALICE}")
    await eventually(lambda: not {SESSION, TOKENS} & one.api.objects.keys())
    await eventually(lambda: not one.broker.cache.entries())
    for asked in pair:
        assert (await asked.token()).error == "interaction_required"


async def test_a_replica_that_ends_finishes_what_is_under_way_and_hands_over(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        await one.sign_in()
        one.issuer.rotate, one.issuer.gate = True, asyncio.Event()
        asks = [asyncio.create_task(asked.token()) for asked in (one, other)]
        await eventually(lambda: bool(one.issuer.forms))
        leaving = asyncio.create_task(one.broker.leave())
        await eventually(lambda: not one.broker.holding.shards)
        assert not here(other)  # not before the flight has landed
        one.issuer.gate.set()
        assert {answer.status for answer in await asyncio.gather(*asks)} == {200}
        await leaving
        await eventually(lambda: len(other.broker.holding.shards) == SHARDS)
        other.clock.pass_by(3600)
        answers = [await asked.token() for asked in (one, other)]  # the one that ends passes on
        assert {answer.status for answer in answers} == {200}
        assert len(one.issuer.forms) == 2
        assert not one.issuer.overlapped


async def test_two_replicas_that_end_together_leave_everything_to_whoever_comes(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        await asyncio.gather(one.broker.leave(), other.broker.leave())
        assert holders(one) == [""] * SHARDS


async def test_nothing_is_given_to_a_replica_that_is_about_to_end(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        async with other.broker.holding._round:
            await other.broker.holding._replicas.leaving()
        await one.broker.leave()
        await eventually(lambda: holders(one) == [""] * SHARDS)


async def test_a_replica_that_begins_again_in_its_pod_gets_its_share_again(tmp_path: Path) -> None:
    world = World(Authority(tmp_path), tmp_path)
    async with world.neighbours():
        for _ in range(2):
            async with replica(world, "broker-a") as made:
                await eventually(lambda made=made: len(made.broker.holding.shards) == SHARDS)


async def test_a_replica_that_comes_gets_its_share_and_nothing_is_asked_for_again(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        people = [f"u{number}" for number in range(8)]
        for name in people:
            one.add_pod(f"{name}-pod", f"cms-{name}")
            await one.sign_in(name)
            await one.token(f"{name}-pod")
        asked = len(one.issuer.forms)
        async with replica(one, "broker-c") as third:
            everywhere = (one, other, third)
            await eventually(lambda: sorted(len(each.broker.holding.shards) for each in everywhere) == [5, 5, 6])
            for name in people:
                for each in everywhere:
                    assert (await each.token(f"{name}-pod")).status == 200
        await eventually(lambda: sorted(len(each.broker.holding.shards) for each in (one, other)) == [8, 8])
        for name in people:
            assert (await other.token(f"{name}-pod")).status == 200
        assert len(one.issuer.forms) == asked


def permitted(world: World, session: Session) -> bool:
    """Whether the replica would use the session's refresh token now."""
    try:
        world.broker.sessions.permit(session)
    except MovedError:
        return False
    return True


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two of which one may be lost, and the other does not wait long."""
    async with two(tmp_path, SHORT) as made:
        yield made


async def test_a_replica_that_cannot_renew_its_lease_stops_well_before_another_begins(
    mortal: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = mortal
    await one.sign_in()
    session = await one.broker.sessions.peek(ALICE)
    assert session is not None

    async def cut_off(_: object) -> None:
        raise ApiError("PATCH", LEASES, 0)

    monkeypatch.setattr(one.broker.holding._leases, "renew", cut_off)
    moments: dict[tuple[bool, bool], float] = {}
    async with asyncio.timeout(PATIENCE):
        while not permitted(other, session):
            moments[permitted(one, session), False] = asyncio.get_running_loop().time()
            await asyncio.sleep(0.005)
    assert not permitted(one, session)
    # a request that was let out in the last moment is over by now
    assert asyncio.get_running_loop().time() - moments[True, False] > TIMEOUT
    assert (await other.token()).status == 200


async def test_a_sign_in_waits_until_what_a_lost_replica_held_is_taken(
    mortal: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = mortal
    monkeypatch.setattr(other.broker.holding, "address", lambda _: "127.0.0.1:1")  # nobody listens there any more

    async def cut_off(_: object) -> None:
        raise ApiError("PATCH", LEASES, 0)

    monkeypatch.setattr(one.broker.holding._leases, "renew", cut_off)
    assert not other.broker.holding.held(ALICE)
    await other.sign_in()
    assert other.broker.holding.held(ALICE)


async def test_while_nobody_knows_who_holds_a_shard_stored_tokens_are_handed_out(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, other):
        await one.sign_in()
        first = (await one.token()).body["access_token"]
        await one.broker.shelf.flush()
        other.broker.holding._alive = {}  # as if the holder had just gone
        other.broker.holding._known = {}
        held = other.api.held["GET", LEASES] = asyncio.Event()
        answer = await other.token()
        assert (answer.status, answer.body.get("access_token")) == (200, first)
        held.set()
        assert not other.broker.cache.entries()


async def test_many_refreshes_by_both_replicas_never_overlap(pair: Pair) -> None:
    one = pair[0]
    await one.sign_in()
    one.issuer.rotate = True
    for _ in range(3):
        asks = [asked.token(audience=one.compute, scope=scope) for scope in COMPUTE for asked in pair]
        asks += [asked.token(scope=OPEN) for asked in pair]
        assert {answer.status for answer in await asyncio.gather(*asks)} == {200}
        one.clock.pass_by(3600)
    assert not one.issuer.overlapped
    assert len(one.issuer.grants) == 1
