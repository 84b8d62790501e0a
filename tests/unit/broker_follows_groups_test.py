"""Groups are the issuer's word, asked for again when it is old; who is in none that the VO lets in is out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from facility.broker.groups import AGAIN
from facility.broker.store import Kind
from tests.fakes.broker_world import OPEN, SECRETS, SITE, USERS, World, eventually, facility
from tests.fakes.token_issuer import Key, problem

OLD = SITE.groups_refresh
ALLOWED = {"allowedGroups": ["/cms/analysis", "/cms/production"]}
MINE = ("/cms", "/cms/analysis")
OUT = {"state": "dead", "reason": "NotInGroup"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        made.add_vo(login=ALLOWED)
        await eventually(lambda: bool(made.broker.vos.get("cms").spec.login.allowed_groups))
        made.refresh = await made.sign_in(groups=MINE)  # type: ignore[attr-defined]
        yield made


async def looked(world: World) -> None:
    """Returns once nothing is asked in the background any more."""
    await asyncio.sleep(0)
    await world.broker.groups.settle()


async def grown_old(world: World) -> dict[str, Any]:
    """What the session is after its groups have grown old and were asked for again."""
    world.clock.pass_by(OLD)
    await world.standing()
    await looked(world)
    return await world.standing()


async def test_the_groups_of_the_sign_in_are_told_and_asked_for_again_only_when_old(world: World) -> None:
    for _ in range(3):
        assert await world.standing() == {"state": "good", "reason": "SignedIn", "groups": list(MINE)}
    world.clock.pass_by(OLD - 1)
    await world.standing()
    await looked(world)
    assert world.issuer.forms == []


async def test_new_groups_are_known_after_a_while_and_over_a_restart(world: World) -> None:
    world.issuer.groups["sub-alice"] = ["/cms/production"]
    assert (await grown_old(world))["groups"] == ["/cms/production"]
    async with world.running_broker():
        assert (await world.standing())["groups"] == ["/cms/production"]
        await looked(world)
    assert len(world.issuer.forms) == 1


async def test_what_shows_groups_is_asked_for_and_nothing_else_and_for_the_issuer_alone(world: World) -> None:
    await grown_old(world)
    form = world.issuer.forms[0]
    assert (form["audience"], form["scope"]) == (world.issuer.url, "openid profile wlcg.groups")


async def test_asking_about_a_session_never_waits_for_the_issuer(world: World) -> None:
    world.clock.pass_by(OLD)
    world.issuer.gate = asyncio.Event()
    for _ in range(5):
        assert (await world.standing())["groups"] == list(MINE)
    await eventually(lambda: len(world.issuer.forms) == 1)
    world.issuer.gate.set()
    await looked(world)
    assert len(world.issuer.forms) == 1


async def test_a_token_request_waits_for_the_groups_under_way_and_no_refresh_meets_another(world: World) -> None:
    world.issuer.rotate = True
    world.clock.pass_by(OLD)
    await world.standing()
    answers = await asyncio.gather(world.token(), world.token(audience=world.compute), world.token(scope=OPEN))
    await looked(world)
    assert [one.status for one in answers] == [200, 200, 200]
    assert not world.issuer.overlapped
    async with world.running_broker():
        assert (await world.token()).status == 200


async def test_a_job_of_somebody_who_never_comes_to_the_hub_has_its_groups_followed_too(world: World) -> None:
    assert (await world.token("ap", requested_subject="cms_alice")).status == 200
    world.issuer.groups["sub-alice"] = ["/cms"]
    world.clock.pass_by(OLD)
    await world.token("ap", requested_subject="cms_alice")
    await looked(world)
    answer = await world.token("ap", requested_subject="cms_alice")
    assert (answer.error, "none of the groups" in answer.description) == ("interaction_required", True)


@pytest.mark.parametrize("left", [["/cms"], [], ["/cms/analysis/top"]])
async def test_somebody_out_of_the_groups_is_out_everywhere(world: World, left: list[str]) -> None:
    await world.token()
    world.issuer.groups["sub-alice"] = left
    assert await grown_old(world) == OUT | {"groups": left}
    assert not world.broker.cache.entries()
    answer = await world.token()
    assert (answer.status, answer.error) == (403, "interaction_required")
    assert "none of the groups" in answer.description
    assert "https://hub.test" in answer.description
    assert world.issuer.revoked == [world.refresh]  # type: ignore[attr-defined]
    found = await world.condition()
    assert (found["status"], found["reason"]) == ("False", "NotInGroup")
    assert "groups" in found["message"]


async def test_being_out_lasts_over_a_restart_and_until_a_sign_in_with_the_right_groups(world: World) -> None:
    world.issuer.groups["sub-alice"] = []
    await grown_old(world)
    async with world.running_broker():
        assert await world.state() == OUT
        await world.sign_in(groups=("/cms/production",))
        assert await world.state() == {"state": "good", "reason": "SignedIn"}
        assert (await world.token()).status == 200


async def test_a_sign_in_without_the_groups_is_refused_and_ended_at_the_issuer(world: World) -> None:
    token = world.issuer.grant("sub-bob", OPEN)
    answer = await world.hand_over("bob", token, (OPEN,), groups=("/cms",))
    assert (answer.status, answer.error) == (403, "access_denied")
    assert token in world.issuer.revoked
    assert f"{SECRETS}/session-cms-bob" not in world.api.objects


@pytest.mark.parametrize("ask", ["state", "token"])
async def test_when_the_vo_lets_other_groups_in_those_known_to_be_in_none_are_out_at_once(
    world: World, ask: str
) -> None:
    await world.token()
    world.change_vo(login={"allowedGroups": ["/cms/production"]})
    await eventually(lambda: world.broker.vos.get("cms").spec.login.allowed_groups == ("/cms/production",))
    if ask == "state":
        assert await world.state() == OUT
    else:
        assert "none of the groups" in (await world.token()).description
    await looked(world)
    assert world.issuer.revoked == [world.refresh]  # type: ignore[attr-defined]
    assert (await world.condition())["reason"] == "NotInGroup"
    assert world.issuer.forms[1:] == []  # what is known suffices


async def test_a_vo_that_lets_everybody_in_puts_nobody_out(world: World) -> None:
    world.change_vo(login={})
    await eventually(lambda: not world.broker.vos.get("cms").spec.login.allowed_groups)
    world.issuer.groups["sub-alice"] = []
    assert await grown_old(world) == {"state": "good", "reason": "SignedIn", "groups": []}


async def test_a_session_of_before_groups_were_kept_learns_them_at_the_next_occasion(world: World) -> None:
    before = await world.broker.store.read(Kind.SESSION, "cms-alice")
    assert before is not None
    old = {key: value for key, value in before.content.items() if key not in ("groups", "groups_at")}
    await world.broker.store.write(Kind.SESSION, old, before.version)
    async with world.running_broker():
        assert await world.standing() == {"state": "good", "reason": "SignedIn", "groups": None}
        await looked(world)
        assert (await world.standing())["groups"] == list(MINE)


TROUBLE = {
    "html": lambda: web.Response(status=502, text="<html>", content_type="text/html"),
    "busy": lambda: problem(429, "slow_down", "later"),
    "client": lambda: problem(401, "unauthorized", "Bad credentials"),
    "scope": lambda: problem(400, "invalid_scope", "Up-scoping is not allowed."),
    "target": lambda: problem(400, "invalid_target", "no"),
    "no jwt": lambda: web.json_response({"access_token": "abc", "token_type": "Bearer"}),
}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_an_issuer_in_trouble_changes_nothing_and_is_left_alone_for_a_while(world: World, kind: str) -> None:
    world.issuer.groups["sub-alice"] = []
    world.issuer.answers = [TROUBLE[kind]()]
    assert await grown_old(world) == {"state": "good", "reason": "SignedIn", "groups": list(MINE)}
    asked = len(world.issuer.forms)
    world.clock.pass_by(AGAIN - 1)
    await world.standing()
    await looked(world)
    assert len(world.issuer.forms) == asked
    world.clock.pass_by(1)
    await world.standing()
    await looked(world)
    assert await world.state() == OUT


USERINFO = {
    "error": lambda _: problem(403, "insufficient_scope", "no"),
    "html": lambda _: web.Response(text="<html>", content_type="text/html"),
    "array": lambda _: web.json_response([1]),
    "somebody else": lambda found: web.json_response(found | {"sub": "sub-bob"}),
    "nobody": lambda _: web.json_response({"wlcg.groups": ["/cms/analysis"]}),
}


@pytest.mark.parametrize("kind", USERINFO)
async def test_a_userinfo_that_is_not_this_person_s_changes_nothing(world: World, kind: str) -> None:
    world.issuer.userinfo = USERINFO[kind]
    world.issuer.groups["sub-alice"] = []
    assert await grown_old(world) == {"state": "good", "reason": "SignedIn", "groups": list(MINE)}


async def test_an_access_token_that_shows_no_groups_by_the_issuer_s_will_changes_nothing(world: World) -> None:
    world.issuer.claims = {"scope": "openid profile"}
    world.issuer.groups["sub-alice"] = []
    assert (await grown_old(world))["groups"] == list(MINE)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_userinfo_as_a_signed_jwt_is_read_when_the_signature_is_right(world: World, algorithm: str) -> None:
    right, wrong = Key("info", algorithm), Key("info", algorithm)
    world.issuer.published = [world.issuer.key, right]
    world.issuer.groups_in_tokens = False
    world.issuer.groups["sub-alice"] = ["/cms/production"]

    def signed(key: Key) -> Any:
        return lambda found: web.Response(text=world.issuer.sign(found, key), content_type="application/jwt")

    world.issuer.userinfo = signed(wrong)
    assert (await grown_old(world))["groups"] == list(MINE)
    world.issuer.userinfo = signed(right)
    assert (await grown_old(world))["groups"] == ["/cms/production"]


async def test_groups_count_wherever_the_issuer_asserts_them(world: World) -> None:
    world.issuer.userinfo = lambda found: web.json_response({"sub": found["sub"]})
    world.issuer.groups["sub-alice"] = ["/cms/production"]
    assert (await grown_old(world))["groups"] == ["/cms/production"]
    world.issuer.groups_in_tokens = False
    world.issuer.id_token = {"wlcg.groups": ["/cms/analysis"]}
    assert (await grown_old(world))["groups"] == ["/cms/analysis"]
    world.issuer.id_token |= {"sub": "sub-bob"}
    assert (await grown_old(world))["state"] == "good"
    world.issuer.id_token = {"iss": "https://evil.test/", "wlcg.groups": ["/cms/production"]}
    assert (await grown_old(world))["groups"] == ["/cms/analysis"]


async def test_somebody_who_granted_no_groups_keeps_those_of_the_sign_in(world: World) -> None:
    token = world.issuer.grant("sub-bob", "openid", OPEN)
    assert (await world.hand_over("bob", token, ("openid", OPEN), groups=MINE)).status == 201
    world.clock.pass_by(10 * OLD)
    for _ in range(2):
        assert (await world.standing("cms-bob"))["groups"] == list(MINE)
        await looked(world)
    assert world.issuer.forms == []


@pytest.mark.parametrize(("status", "error"), [(400, "invalid_grant"), (401, "invalid_token")])
async def test_a_session_found_dead_or_held_up_by_an_aup_means_signing_in_again(
    world: World, status: int, error: str
) -> None:
    world.issuer.answers = [problem(status, error, "User alice needs to sign AUP for this organization")]
    assert {**(await grown_old(world)), "groups": None} == {"state": "dead", "reason": "SignInAgain", "groups": None}
    answer = await world.token()
    assert (answer.error, "https://hub.test" in answer.description) == ("interaction_required", True)


async def test_nothing_is_asked_for_a_closed_vo(world: World) -> None:
    world.change_vo(suspended=True)
    await eventually(lambda: world.broker.vos.closed("cms"))
    world.clock.pass_by(OLD)
    assert (await world.standing())["groups"] == list(MINE)
    await looked(world)
    assert world.issuer.forms == []


async def test_groups_that_cannot_be_stored_are_known_in_memory_and_stored_later(world: World) -> None:
    world.api.fault = lambda method, path: 500 if method == "PATCH" and "/secrets/" in path else None
    world.issuer.groups["sub-alice"] = ["/cms/production"]
    assert (await grown_old(world))["groups"] == ["/cms/production"]
    world.api.fault = lambda _method, _path: None
    await world.token()
    async with world.running_broker():
        assert (await world.standing())["groups"] == ["/cms/production"]


async def test_the_persons_object_has_the_groups_by_which_cores_are_shared_out(world: World) -> None:
    def written() -> list[str]:
        return list(world.api.objects[f"{USERS}/cms-alice"].get("status", {}).get("groups", []))

    await eventually(lambda: written() == sorted(MINE))
    world.issuer.groups["sub-alice"] = ["/cms/production"]
    await grown_old(world)
    await eventually(lambda: written() == ["/cms/production"])
