"""What comes of a good request: the scopes of the policy, within what was granted, and a sentence when not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.broker_world import COMPUTE, EMBARGOED, LAKE, OPEN, World, facility


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        yield made


async def test_audience_and_scope_are_named_at_every_refresh(world: World) -> None:
    refresh = await world.sign_in()
    await world.token()
    await world.token(audience=world.compute)
    assert [(form["refresh_token"], form["audience"], form["scope"]) for form in world.issuer.forms] == [
        (refresh, LAKE, f"{EMBARGOED} {OPEN}"),
        (refresh, world.compute, " ".join(sorted(COMPUTE))),
    ]


async def test_a_narrower_scope_may_be_asked_for(world: World) -> None:
    await world.sign_in()
    assert (await world.token(scope=OPEN)).body["scope"] == OPEN


async def test_what_was_silently_not_granted_at_sign_in_is_not_asked_for(world: World) -> None:
    await world.sign_in("alice", "openid", OPEN, "compute.read")
    assert (await world.token()).body["scope"] == OPEN
    answer = await world.token(scope=EMBARGOED)
    assert (answer.status, answer.error) == (400, "invalid_scope")
    assert f"allowed: {OPEN}" in answer.description
    assert len(world.issuer.forms) == 1


async def test_a_person_who_was_granted_nothing_of_a_lake_is_told_so(world: World) -> None:
    await world.sign_in("alice", "openid", *COMPUTE)
    answer = await world.token()
    assert (answer.status, answer.error) == (403, "access_denied")
    assert "granted you none of the scopes that cms has for" in answer.description
    assert (await world.token(audience=world.compute)).status == 200


async def test_a_person_whom_the_issuer_s_policy_gives_an_empty_token_is_told_so(world: World) -> None:
    await world.sign_in()
    world.issuer.claims = {"scope": None}
    answer = await world.token()
    assert (answer.status, answer.error) == (403, "access_denied")
    assert (await world.state())["state"] == "good"


async def test_an_audience_beyond_policy_is_refused_with_the_allowed_ones(world: World) -> None:
    await world.sign_in()
    answer = await world.token(audience="https://wlcg.cern.ch/jwt/v1/any")
    assert (answer.status, answer.error) == (400, "invalid_target")
    assert f"allowed: {LAKE} {world.compute}" in answer.description


async def test_the_issuer_s_own_refusal_is_passed_on_without_its_words(world: World) -> None:
    refresh = await world.sign_in()
    world.issuer.grants[refresh].scopes = frozenset({OPEN})
    answer = await world.token()
    assert (answer.status, answer.error) == (400, "invalid_scope")
    assert "Up-scoping" not in answer.description
    assert (await world.state())["state"] == "good"


async def test_one_user_cannot_keep_the_issuer_busy_with_ever_new_scopes(world: World) -> None:
    await world.sign_in()
    for number in range(32):
        world.issuer.grants[next(iter(world.issuer.grants))].scopes |= {f"{OPEN}/{number}"}
        assert (await world.token(scope=f"{OPEN}/{number}")).status == 200
    answer = await world.token(scope=OPEN)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert (await world.token(scope=f"{OPEN}/7")).status == 200
    world.clock.pass_by(3601)
    assert (await world.token(scope=OPEN)).status == 200
