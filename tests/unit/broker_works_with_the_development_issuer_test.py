"""The broker against the development issuer, which answers as a recorded INDIGO IAM does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import issuer
from tests.fakes.broker_world import LAKE, SITE, World, eventually, facility

SCOPES = ("storage.read:/",)
COMPUTE = ("compute.read", "compute.create")


@pytest.fixture
def iam(tmp_path: Path) -> Iterator[issuer.Running]:
    (tmp_path / "iam").mkdir()
    with issuer.serving(tmp_path / "iam") as running:
        yield running


@pytest.fixture(params=["hub", "rotating"])
async def world(tmp_path: Path, iam: issuer.Running, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    client = {"hub": issuer.HUB, "rotating": issuer.ROTATING}[request.param]
    async with facility(tmp_path) as made:
        made.trust(iam.bundle)
        lake = {"prefix": "/iam", "origin": LAKE, "audience": LAKE, "scopes": SCOPES, "cacheScopes": SCOPES}
        login = {"allowedGroups": ["/Analysis"]}
        made.add_vo("iam", issuer=f"{iam.url}/", lakes=[lake], batch={"scopes": COMPUTE}, login=login)
        made.set_client("iam", str(client.client_secret), client.client_id)
        made.add_pod("pod", "iam-alice")
        made.add_account("cache", "facility", "xcache-iam")
        await eventually(lambda: "iam" in made.broker.vos._vos)
        answer = await asyncio.to_thread(iam.sign_in, client=client)
        scopes = tuple(answer["scope"].split())
        handed = await made.hand_over(
            "alice", answer["refresh_token"], scopes, vo="iam", sub=issuer.ALICE.sub, groups=issuer.ALICE.groups
        )
        assert handed.status == 201
        yield made


async def test_each_audience_gets_its_own_narrow_token_again_and_again(world: World, iam: issuer.Running) -> None:
    for _ in range(3):
        lake, compute = await world.token("pod"), await world.token("pod", world.compute)
        assert (lake.status, compute.status) == (200, 200)
        found = issuer.claims(lake.body["access_token"])
        assert (found["aud"], found["scope"], found["sub"]) == (LAKE, "storage.read:/", issuer.ALICE.sub)
        assert set(issuer.claims(compute.body["access_token"])["scope"].split()) == set(COMPUTE)
        world.clock.pass_by(3600)
        iam.clock.now = world.clock.now


async def test_the_cache_gets_a_token_of_the_client(world: World) -> None:
    answer = await world.token("cache")
    assert (answer.status, answer.body["scope"]) == (200, "storage.read:/")


async def test_a_session_that_was_signed_out_is_over_at_the_issuer_too(world: World) -> None:
    assert (await world.token("pod")).status == 200
    assert (await world.ask("DELETE", "/sessions/iam-alice", "hub")).status == 204
    assert (await world.token("pod")).error == "interaction_required"


async def test_a_refresh_token_that_has_expired_is_a_dead_session(world: World, iam: issuer.Running) -> None:
    world.clock.pass_by(40 * 86400)
    iam.clock.now = world.clock.now
    assert (await world.token("pod")).error == "interaction_required"
    assert (await world.state("iam-alice"))["state"] == "dead"


async def grown_old(world: World, iam: issuer.Running) -> dict[str, Any]:
    """What the session is once its groups have grown old and were asked for again."""
    world.clock.pass_by(SITE.groups_refresh)
    iam.clock.now = world.clock.now
    await world.standing("iam-alice")
    await world.broker.groups.settle()
    return await world.standing("iam-alice")


async def test_groups_are_followed_and_tokens_go_on(world: World, iam: issuer.Running) -> None:
    await world.token("pod")
    await asyncio.to_thread(iam.change, groups=["/Analysis", "/new"])
    found = await grown_old(world, iam)
    assert (found["state"], sorted(found["groups"])) == ("good", ["/Analysis", "/new"])
    assert (await world.token("pod", world.compute)).status == 200
    assert sorted((await grown_old(world, iam))["groups"]) == ["/Analysis", "/new"]


@pytest.mark.parametrize("groups", [[], ["/Production"]])
async def test_who_is_taken_out_of_the_group_is_out(world: World, iam: issuer.Running, groups: list[str]) -> None:
    await world.token("pod")
    await asyncio.to_thread(iam.change, groups=groups)
    found = await grown_old(world, iam)
    assert (found["state"], found["reason"], found["groups"]) == ("dead", "NotInGroup", groups)
    answer = await world.token("pod")
    assert (answer.error, "none of the groups" in answer.description) == ("interaction_required", True)


async def test_an_aup_to_be_signed_means_signing_in_again_with_the_link(world: World, iam: issuer.Running) -> None:
    await asyncio.to_thread(iam.change, aup_due=True)
    answer = await world.token("pod")
    assert (answer.error, "https://hub.test" in answer.description) == ("interaction_required", True)
    assert await world.state("iam-alice") == {"state": "dead", "reason": "SignInAgain"}


async def test_a_disabled_person_s_session_ends_even_if_nobody_asks_for_a_token(
    world: World, iam: issuer.Running
) -> None:
    await asyncio.to_thread(iam.change, active=False)
    found = await grown_old(world, iam)
    assert (found["state"], found["reason"]) == ("dead", "SignInAgain")


async def test_a_vo_that_is_removed_ends_its_sessions_at_the_issuer(world: World, iam: issuer.Running) -> None:
    await world.token("pod")
    refresh = (await world.broker.sessions.peek("iam-alice")).record.refresh_token  # type: ignore[union-attr]
    world.begin_removal("iam")
    await eventually(lambda: not [path for path in world.api.objects if "/session-" in path])
    assert iam.issuer.store.get("refresh", refresh) is None
