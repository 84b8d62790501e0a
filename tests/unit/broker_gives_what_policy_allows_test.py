"""What comes of a good request: the scopes of the policy, within what was granted, and a sentence when not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.broker_world import COMPUTE, EMBARGOED, LAKE, OPEN, World, eventually, facility


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
    assert answer.body["allowed"] == {LAKE: f"{EMBARGOED} {OPEN}", world.compute: " ".join(COMPUTE)}


async def test_a_scope_beyond_policy_is_refused_with_the_allowed_ones_of_its_audience(world: World) -> None:
    await world.sign_in()
    answer = await world.token(scope="storage.read:/embargoed2")
    assert (answer.status, answer.error) == (400, "invalid_scope")
    assert answer.body["allowed"] == {LAKE: f"{EMBARGOED} {OPEN}"}
    assert world.issuer.forms == []


RUCIO = {"name": "rucio", "audience": "rucio", "scopes": ["openid"]}


async def test_a_service_s_token_is_for_the_consumers_that_the_vo_names(world: World) -> None:
    fts = {"name": "fts", "audience": "fts", "scopes": ["openid"], "consumers": ["job"]}
    world.change_vo(services=[RUCIO, fts])
    await eventually(lambda: len(world.broker.vos.get("cms").spec.services) == 2)
    await world.sign_in()
    assert (await world.token(audience="rucio")).body["scope"] == "openid"
    assert (await world.token("ap", "rucio", requested_subject="cms_alice")).status == 200
    assert (await world.token("ap", "fts", requested_subject="cms_alice")).status == 200
    for caller, audience in (("alice-pod", "fts"), ("xcache", "rucio")):
        assert (await world.token(caller, audience)).error == "invalid_target"
    refused = await world.token("ap", world.compute, requested_subject="cms_alice")
    assert (refused.error, set(refused.body["allowed"])) == ("invalid_target", {LAKE, "rucio", "fts"})


async def test_a_service_that_is_taken_away_gives_no_tokens_any_more(world: World) -> None:
    world.change_vo(services=[RUCIO])
    await eventually(lambda: bool(world.broker.vos.get("cms").spec.services))
    await world.sign_in()
    assert (await world.token(audience="rucio")).status == 200
    world.change_vo(services=[])
    await eventually(lambda: not world.broker.vos.get("cms").spec.services)
    assert (await world.token(audience="rucio")).error == "invalid_target"


async def test_who_wants_longer_life_gets_a_new_token_early_and_never_more_than_two_thirds_of_a_life(
    world: World,
) -> None:
    await world.sign_in()
    first = (await world.token()).body["access_token"]
    world.clock.pass_by(2000)
    assert (await world.token(min_valid="1500")).body["access_token"] == first
    answer = await world.token(min_valid="1700")
    assert (answer.status, answer.body["expires_in"]) == (200, 3600)
    assert answer.body["access_token"] != first
    refused = await world.token(min_valid="2401")
    assert (refused.status, refused.error) == (400, "invalid_request")
    assert "2400" in refused.description


async def test_a_token_of_an_issuer_in_trouble_comes_with_a_warning(world: World) -> None:
    await world.sign_in()
    first = (await world.token()).body
    assert "warning" not in first
    world.issuer.down = True
    world.clock.pass_by(3500)
    answer = await world.token()
    assert (answer.status, answer.body["access_token"]) == (200, first["access_token"])
    assert "The issuer gives no answer" in answer.body["warning"]


async def test_a_token_that_is_not_due_comes_without_a_warning_whatever_befell_another(world: World) -> None:
    await world.sign_in()
    await world.token()
    world.issuer.claims = {"aud": "https://elsewhere.test"}
    assert (await world.token(audience=world.compute)).status == 503
    assert (await world.state())["reason"] == "AnswerRefused"
    assert "warning" not in (await world.token()).body


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
