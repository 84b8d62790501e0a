"""Who gets tokens: pods of people, access points, caches; each its own, and nobody else anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.broker_world import EMBARGOED, JWT, LAKE, OPEN, PODS, World, facility, identity


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        yield made


async def test_a_person_s_pod_gets_the_person_s_token(world: World) -> None:
    answer = await world.token()
    assert answer.status == 200
    assert answer.body["access_token"] == world.issuer.issued[-1]
    assert answer.body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 3600)
    assert answer.body["scope"] == f"{EMBARGOED} {OPEN}"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_pod_gets_no_token_of_another_person(world: World) -> None:
    await world.sign_in("bob")
    for subject in ("cms_bob", "cms-bob", "bob"):
        answer = await world.token(requested_subject=subject)
        assert (answer.status, answer.error) == (403, "access_denied")
        assert "belongs to cms-alice" in answer.description
    assert (await world.token(requested_subject="cms_alice")).status == 200


@pytest.mark.parametrize(
    ("token", "status"),
    [("forged", 401), ("", 400), ("x" * 20_000, 400), ("a.b.c", 401), ("other-audience", 401)],
)
async def test_an_identity_token_that_the_api_server_does_not_accept_gets_nothing(
    world: World, token: str, status: int
) -> None:
    hub = {"username": "system:serviceaccount:facility:hub", "audience": "other"}
    world.api.identities[identity("other-audience")] = hub
    answer = await world.token(token)
    assert (answer.status, answer.error) == (status, "invalid_client" if status == 401 else "invalid_request")


@pytest.mark.parametrize(
    ("namespace", "account"),
    [
        ("elsewhere", "default"),
        ("elsewhere", "hub"),
        ("elsewhere", "ap-cms"),
        ("facility", "operator"),
        ("facility", "ap-cms"),
        ("facility-batch", "xcache-cms"),
        ("facility-batch", "default"),
        ("facility-batch", "ap-"),
        ("facility", "hub"),
    ],
)
async def test_pods_of_other_namespaces_and_accounts_get_nothing(world: World, namespace: str, account: str) -> None:
    world.add_account("stranger", namespace, account)
    answer = await world.token("stranger", requested_subject="cms_alice")
    assert (answer.status, answer.error) == (403, "access_denied")


async def test_somebody_who_is_no_pod_at_all_gets_nothing(world: World) -> None:
    world.api.identities[identity("admin")] = {"username": "kubernetes-admin"}
    assert (await world.token("admin")).status == 403


async def test_a_pod_in_the_users_namespace_that_the_hub_did_not_make_gets_nothing(world: World) -> None:
    for name, notes in (("jupyter-x", {}), ("jupyter-y", {"hub.jupyter.org/username": "no name"})):
        world.add_pod("odd", "cms-alice", **{"pod-name": [name], "pod-uid": ["uid"]})
        world.api.put(f"{PODS}/{name}", {"metadata": {"uid": "uid", "annotations": notes}})
        assert (await world.token("odd")).error == "access_denied"


async def test_the_token_must_be_that_of_the_very_pod(world: World) -> None:
    for extra in ({"pod-uid": ["of-an-older-pod"]}, {"pod-uid": []}, {"pod-name": ["gone"]}):
        world.add_pod("old", "cms-alice", **extra)
        answer = await world.token("old")
        assert (answer.status, answer.error) == (403, "access_denied")


async def test_an_access_point_gets_lake_tokens_of_its_vo_s_people_by_name(world: World) -> None:
    answer = await world.token("ap", requested_subject="cms_alice")
    assert (answer.status, answer.body["scope"]) == (200, f"{EMBARGOED} {OPEN}")
    assert (await world.token("ap")).error == "invalid_request"
    for subject in ("atlas_bob", "cms-alice", "root", "cms_a/b"):
        assert (await world.token("ap", requested_subject=subject)).error == "access_denied"
    assert (await world.token("ap", world.compute, requested_subject="cms_alice")).error == "invalid_target"


async def test_a_cache_gets_a_token_of_the_client_and_nobody_s_else(world: World) -> None:
    answer = await world.token("xcache")
    assert (answer.status, answer.body["scope"]) == (200, "storage.read:/")
    assert world.issuer.forms[-1]["grant_type"] == "client_credentials"
    assert (await world.token("xcache", requested_subject="cms_alice")).error == "access_denied"
    assert (await world.token("xcache", world.compute)).error == "invalid_target"


async def test_nobody_is_served_while_the_api_server_cannot_say_who_they_are(world: World) -> None:
    await world.token()
    world.clock.pass_by(61)
    world.api.fault = lambda _method, path: 500 if "tokenreviews" in path else None
    answer = await world.token()
    assert (answer.status, answer.error, answer.headers["Retry-After"]) == (503, "temporarily_unavailable", "5")
    world.api.fault = lambda _method, path: 500 if "/pods/" in path else None
    assert (await world.token()).status == 503


async def test_a_pod_is_known_for_a_minute_and_then_looked_up_again(world: World) -> None:
    assert (await world.token()).status == 200
    del world.api.identities[identity("alice-pod")]
    before = len(world.api.requests)
    world.clock.pass_by(59)
    assert (await world.token()).status == 200
    assert len(world.api.requests) == before
    world.clock.pass_by(2)
    assert (await world.token()).status == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}, "invalid_request"),
        ({"audience": ""}, "invalid_request"),
    ],
)
async def test_a_malformed_exchange_is_told_what_is_wrong(world: World, form: dict[str, str], error: str) -> None:
    basis = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "alice-pod"}
    basis |= {"subject_token_type": JWT, "audience": LAKE}
    answer = await world.ask("POST", "/token", None, data=basis | form)
    assert (answer.status, answer.error) == (400, error)


async def test_two_audiences_at_once_and_other_formats_are_refused(world: World) -> None:
    twice = [("audience", LAKE), ("audience", world.compute)]
    for data in ({"data": twice}, {"json": {"audience": LAKE}}):
        assert (await world.ask("POST", "/token", None, **data)).error == "invalid_request"
    assert (await world.ask("GET", "/token", None)).status == 405
    assert (await world.ask("GET", "/elsewhere", None)).status == 404


async def test_each_agent_is_told_which_files_to_keep(world: World) -> None:
    lake = {"name": "lake", "audience": LAKE, "scope": f"{EMBARGOED} {OPEN}"}
    compute = {
        "name": "compute",
        "audience": world.compute,
        "scope": "compute.read compute.create compute.modify compute.cancel",
    }
    assert (await world.ask("GET", "/wanted", "alice-pod")).body["files"] == [lake, compute]
    assert (await world.ask("GET", "/wanted", "xcache")).body["files"] == [lake | {"scope": "storage.read:/"}]
    assert (await world.ask("GET", "/wanted", "ap")).body["files"] == [lake]
    assert (await world.ask("GET", "/wanted", "hub")).body["files"] == []
    assert (await world.ask("GET", "/wanted", None)).status == 401


async def test_an_agent_of_a_person_without_session_still_learns_its_files(world: World) -> None:
    world.add_pod("bob-pod", "cms-bob")
    files = (await world.ask("GET", "/wanted", "bob-pod")).body["files"]
    assert [one["name"] for one in files] == ["lake", "compute"]
    answer = await world.token("bob-pod")
    assert (answer.status, answer.error) == (403, "interaction_required")
    assert "https://hub.test" in answer.description
