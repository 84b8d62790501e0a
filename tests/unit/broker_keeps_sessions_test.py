"""Signing in, being asked about, signing out; names that are taken; VOs and people that go."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from facility.broker.sealing import PATIENCE
from tests.fakes.broker_world import EMBARGOED, LAKE, OPEN, SECRETS, USERS, VOS, World, eventually, facility, identity

SESSION = f"{SECRETS}/session-cms-alice"
ALL = (EMBARGOED, OPEN)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        yield made


async def test_the_first_sign_in_makes_the_person_and_later_ones_do_not(world: World) -> None:
    first = await world.hand_over("alice", world.issuer.grant("sub-alice", *ALL), ALL)
    assert (first.status, first.body) == (201, {"user": "cms-alice"})
    again = await world.hand_over("alice", world.issuer.grant("sub-alice", *ALL), ALL)
    assert (again.status, again.body) == (200, {"user": "cms-alice"})
    person = world.api.objects[f"{USERS}/cms-alice"]
    assert person["spec"] == {"vo": "cms", "sub": "sub-alice", "name": "alice"}
    found = await world.condition()
    assert (found["status"], found["reason"]) == ("True", "SignedIn")
    assert world.api.objects[f"{USERS}/cms-alice"]["status"]["lastSignIn"] == "2027-01-15T08:00:00Z"


async def test_a_name_belongs_to_the_first_who_came_with_it(world: World) -> None:
    await world.sign_in("alice", sub="the-first")
    answer = await world.hand_over("alice", "refresh", ALL, sub="the-second")
    assert (answer.status, answer.error) == (403, "name_taken")
    assert "cms-alice belongs to somebody else" in answer.description
    assert (await world.token()).status == 200


async def test_a_session_that_cannot_be_is_ended_at_the_issuer(world: World) -> None:
    first = await world.sign_in("alice", sub="the-first")
    second = world.issuer.grant("the-second", *ALL)
    assert (await world.hand_over("alice", second, ALL, sub="the-second")).error == "name_taken"
    assert second not in world.issuer.grants
    assert first in world.issuer.grants


async def test_a_person_s_name_and_the_path_must_agree(world: World) -> None:
    body = {"vo": "cms", "sub": "s", "claim": "bob", "refresh_token": "r", "scopes": [], "groups": []}
    answer = await world.ask("PUT", "/sessions/cms-alice", "hub", json=body)
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert world.api.objects.keys().isdisjoint({f"{USERS}/cms-alice", f"{USERS}/cms-bob"})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("user", ["x%2F..%2F..%2Fpods", "cms-alice%3Fwatch=1", "cms-", "Alice", "cms-alice%0A"])
async def test_a_name_that_is_no_users_leads_nowhere(world: World, method: str, user: str) -> None:
    answer = await world.ask(method, f"/sessions/{user}", "hub", json={})
    assert (answer.status, answer.error) == (404, "invalid_request")
    assert not [path for _, path in world.api.requests if "session" in path or "pods" in path]


@pytest.mark.parametrize(
    "change",
    [
        {"sub": ""},
        {"sub": "two words"},
        {"sub": 'quo"te'},
        {"refresh_token": None},
        {"scopes": "openid"},
        {"scopes": [1]},
        {"groups": None},
        {"groups": "/cms"},
        {"groups": ["/cms", 1]},
        {"claim": ""},
        {"vo": 7},
    ],
)
async def test_a_sign_in_that_makes_no_sense_is_refused(world: World, change: dict[str, object]) -> None:
    body = {"vo": "cms", "sub": "s", "claim": "alice", "refresh_token": "r", "scopes": [], "groups": []} | change
    answer = await world.ask("PUT", "/sessions/cms-alice", "hub", json=body)
    assert (answer.status, answer.error) == (400, "invalid_request")


async def test_a_body_that_is_no_json_object_or_too_large_is_refused(world: World) -> None:
    headers = {"Content-Type": "application/json"}
    for data, status in ((b"{", 400), (b"[]", 400), (b"x" * 70_000, 413)):
        answer = await world.ask("PUT", "/sessions/cms-alice", "hub", data=data, headers=headers)
        assert (answer.status, answer.error) == (status, "invalid_request")


async def test_nobody_but_the_hub_touches_sessions(world: World) -> None:
    await world.sign_in()
    for caller in ("alice-pod", "ap", "xcache"):
        for method in ("GET", "PUT", "DELETE"):
            assert (await world.ask(method, "/sessions/cms-alice", caller)).error == "access_denied"
    assert (await world.ask("GET", "/sessions/cms-alice", None)).error == "invalid_client"
    assert (await world.state())["state"] == "good"


async def test_a_sign_in_is_refused_while_it_cannot_be_stored(world: World) -> None:
    world.api.fault = lambda method, path: 500 if method in ("POST", "PATCH") and "/secrets" in path else None
    answer = await world.hand_over("alice", "refresh", ALL)
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    world.api.fault = lambda _method, _path: None
    assert (await world.state())["state"] == "dead"


async def test_somebody_without_a_session_has_to_sign_in(world: World) -> None:
    assert await world.state("cms-nobody") == {"state": "dead", "reason": "SignInAgain"}


async def test_when_sessions_cannot_be_read_nothing_is_known(world: World) -> None:
    world.api.fault = lambda _method, path: 503 if path == SESSION else None
    assert (await world.state()) == {"state": "unknown", "reason": "StoreUnavailable"}
    assert (await world.token()).status == 503


async def test_asking_about_a_session_costs_the_issuer_nothing(world: World) -> None:
    await world.sign_in()
    for _ in range(10):
        assert await world.state() == {"state": "good", "reason": "SignedIn"}
    assert (world.issuer.forms, world.issuer.gets.total()) == ([], 0)


async def test_a_new_sign_in_replaces_scopes_and_tokens_and_revokes_the_old(world: World) -> None:
    old = await world.sign_in("alice", OPEN)
    first = await world.token()
    await world.sign_in("alice", *ALL)
    assert old not in world.issuer.grants
    second = await world.token()
    assert first.body["scope"] == OPEN
    assert second.body["scope"] == f"{EMBARGOED} {OPEN}"


async def test_after_a_new_sign_in_no_token_of_the_old_session_is_handed_out(world: World) -> None:
    await world.sign_in()
    first = await world.token()
    await world.sign_in()
    assert (await world.token()).body["access_token"] != first.body["access_token"]


async def test_signing_out_revokes_and_forgets(world: World) -> None:
    refresh = await world.sign_in()
    await world.token()
    assert (await world.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204
    assert refresh not in world.issuer.grants
    assert SESSION not in world.api.objects
    assert (await world.token()).error == "interaction_required"
    assert (await world.condition())["reason"] == "SignInAgain"
    assert (await world.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204


async def test_a_revocation_is_believed_and_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.sign_in()
    with caplog.at_level("INFO"):
        await world.ask("DELETE", "/sessions/cms-alice", "hub")
    assert "refresh token of cms-alice revoked" in caplog.text


async def test_signing_out_works_while_the_issuer_is_away(world: World) -> None:
    await world.sign_in()
    world.issuer.down = True
    assert (await world.ask("DELETE", "/sessions/cms-alice", "hub")).status == 204
    assert (await world.state())["state"] == "dead"


async def test_a_broken_vo_object_takes_its_own_vo_away_and_no_other(world: World) -> None:
    await world.sign_in()
    world.api.put(f"{VOS}/Bad", {"metadata": {"name": "Bad"}})
    world.api.put(f"{VOS}/worse", {"metadata": {"name": "worse"}, "spec": {"issuer": 7}})
    world.add_vo("atlas")
    await eventually(lambda: "atlas" in world.broker.vos._vos)
    assert set(world.broker.vos._vos) == {"cms", "atlas"}
    assert (await world.token()).status == 200


async def test_a_watch_that_breaks_is_made_good_by_the_next_list(world: World) -> None:
    await world.api.drop_watches()
    world.add_vo("atlas")
    await eventually(lambda: "atlas" in world.broker.vos._vos)


async def test_a_changed_issuer_ends_the_sessions_of_the_old_one(world: World) -> None:
    await world.sign_in()
    world.add_vo(issuer="https://127.0.0.1:1/new")
    await eventually(lambda: world.broker.vos.get("cms").spec.issuer.endswith("/new"))
    assert (await world.token()).error == "interaction_required"
    assert world.issuer.forms == []


async def test_a_person_who_is_deleted_loses_session_and_tokens(world: World) -> None:
    await world.sign_in()
    await world.token()
    await eventually(lambda: bool(world.broker.user_mirror._versions))
    world.api.remove(f"{USERS}/cms-alice")
    await eventually(lambda: SESSION not in world.api.objects)
    assert (await world.token()).error == "interaction_required"


async def test_a_session_that_no_key_opens_means_signing_in_again_once_the_key_can_come_no_more(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        (world.keys / "current").write_bytes(Fernet.generate_key())
        async with world.running_broker():
            assert await world.state() == {"state": "unknown", "reason": "StoreUnavailable"}
            assert (await world.token()).status == 503
            world.clock.pass_by(PATIENCE)
            assert (await world.state())["state"] == "dead"
            await world.sign_in()
            assert (await world.token()).status == 200


async def test_older_keys_still_open_what_they_sealed(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        (world.keys / "current").rename(world.keys / "2026")
        (world.keys / "current").write_bytes(Fernet.generate_key())
        async with world.running_broker():
            assert (await world.token()).status == 200


async def test_without_any_key_nothing_is_said_about_sessions(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        (world.keys / "current").unlink()
        async with world.running_broker():
            assert (await world.state())["state"] == "unknown"


async def test_a_secret_copied_over_another_s_opens_nobody_s_session(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        await world.sign_in("bob")
        stolen = world.api.objects[SESSION]["data"]
        world.api.objects[f"{SECRETS}/session-cms-bob"]["data"] = stolen
        async with world.running_broker():
            assert (await world.state("cms-bob"))["state"] == "dead"


async def test_conditions_of_others_are_left_alone(world: World) -> None:
    await world.sign_in()
    path = f"{USERS}/cms-alice"
    world.api.objects[path]["status"] = {"conditions": [{"type": "AccountReady", "status": "True"}], "uid": 1}
    await world.condition()
    world.issuer.grants.clear()
    await world.token()
    await world.condition()
    kinds = [one["type"] for one in world.api.objects[path]["status"]["conditions"]]
    assert (kinds, world.api.objects[path]["status"]["uid"]) == (["AccountReady", "TokenReady"], 1)


async def test_no_log_line_and_no_object_holds_a_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refresh = await world.sign_in()
    await world.token()
    world.clock.pass_by(2200)
    world.issuer.claims = {"aud": "https://other.test"}
    await world.token()
    await world.ask("GET", "/wanted?token=query-secret", "alice-pod")
    await world.ask("GET", "/a%0Aline", "alice-pod")
    await world.ask("GET", f"/sessions/{identity('alice-pod')}", "hub")
    world.issuer.grants.clear()
    world.clock.pass_by(2200)
    await world.token()
    await world.ask("DELETE", "/sessions/cms-alice", "hub")
    written = "\n".join(record.getMessage() for record in caplog.records if record.name != "asyncio")
    written += json.dumps([world.api.objects, [body for body in world.api.bodies if body.get("kind") != "TokenReview"]])
    for secret in (refresh, *world.issuer.issued, identity("alice-pod"), "query-secret", "a%0Aline"):
        assert secret not in written
    assert "POST /token 403" in written
    assert world.issuer.clients["facility"] not in written
    assert "GET /sessions/- 404" in written
    assert "DELETE /sessions/cms-alice 204" in written
    assert "- 404" in written


async def test_the_broker_says_that_it_serves(world: World) -> None:
    assert (await world.ask("GET", "/healthz", None)).status == 200
    assert (await world.token(audience=LAKE)).error == "interaction_required"
