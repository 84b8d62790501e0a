"""The development issuer refreshes, narrows, aims, revokes and introspects as a recorded INDIGO IAM does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facility.dev.issuer.app import assemble
from facility.dev.issuer.settings import REFRESH
from tests.fakes.issuer import ALICE, HUB, OTHER, ROTATING, Running, claims, serving

ANY = "https://wlcg.cern.ch/jwt/v1/any"


@pytest.fixture(scope="module")
def iam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iam")) as running:
        yield running


@pytest.fixture(scope="module")
def session(iam: Running) -> dict[str, Any]:
    return iam.sign_in()


def refresh(iam: Running, session: dict[str, Any], **form: Any) -> Any:
    return iam.token(grant_type=REFRESH, refresh_token=session["refresh_token"], **form)


def test_a_plain_refresh_gives_all_that_was_granted_and_the_same_refresh_token(
    iam: Running, session: dict[str, Any]
) -> None:
    body = refresh(iam, session).json()
    assert body["refresh_token"] == session["refresh_token"]
    assert set(body["scope"].split()) == set(session["scope"].split())
    assert claims(body["access_token"])["aud"] == ANY
    assert claims(body["id_token"])["nonce"] == "the nonce"


@pytest.mark.parametrize(
    ("form", "audience"),
    [
        ({"audience": "https://se.example"}, "https://se.example"),
        ({"audience": "https://a https://b"}, ["https://a", "https://b"]),
        ({"audience": ["https://a", "https://b"]}, "https://a"),
        ({"aud": "https://se.example"}, "https://se.example"),
    ],
)
def test_a_refresh_aims_the_token_once(iam: Running, session: dict[str, Any], form: Any, audience: Any) -> None:
    assert claims(refresh(iam, session, **form).json()["access_token"])["aud"] == audience
    assert claims(refresh(iam, session).json()["access_token"])["aud"] == ANY


def test_an_audience_of_the_authorization_stays_the_default(iam: Running) -> None:
    session = iam.sign_in(audience="https://a")
    assert claims(refresh(iam, session, audience="https://b").json()["access_token"])["aud"] == "https://b"
    assert claims(refresh(iam, session).json()["access_token"])["aud"] == "https://a"


def test_a_resource_binds_all_later_audiences(iam: Running, session: dict[str, Any]) -> None:
    refused = refresh(iam, session, resource="https://a")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    bound = iam.sign_in(resource="https://a")
    assert claims(refresh(iam, bound, resource="https://a").json()["access_token"])["aud"] == "https://a"
    assert refresh(iam, bound, audience="https://b").json()["error"] == "invalid_target"


def test_a_narrower_token_has_no_more_than_asked_and_the_next_one_has_all_again(
    iam: Running, session: dict[str, Any]
) -> None:
    body = refresh(iam, session, scope="storage.read:/").json()
    assert body["scope"] == "storage.read:/"
    found = claims(body["access_token"])
    assert (found["scope"], "wlcg.groups" in found, "id_token" in body) == ("storage.read:/", False, True)
    assert "compute.read" in refresh(iam, session, scope="").json()["scope"]


def test_a_path_below_a_granted_system_scope_may_be_asked_for(iam: Running, session: dict[str, Any]) -> None:
    body = refresh(iam, session, scope="storage.read:/sub/path", audience="https://se.example").json()
    assert body["scope"] == "storage.read:/sub/path"


def test_below_a_scope_that_is_no_system_scope_only_its_own_words_will_do(iam: Running) -> None:
    session = iam.sign_in(scope="openid offline_access storage.read:/sub/dir")
    assert refresh(iam, session, scope="storage.read:/sub/dir").status_code == 200
    for other in ("/sub/dir/deep", "/sub", "/sub/dirX"):
        refused = refresh(iam, session, scope=f"storage.read:{other}")
        assert refused.json() == {"error": "invalid_scope", "error_description": "Up-scoping is not allowed."}


@pytest.mark.parametrize("scope", ["storage.modify:/", "compute.cancel", "openid compute.cancel"])
def test_up_scoping_is_refused(iam: Running, session: dict[str, Any], scope: str) -> None:
    refused = refresh(iam, session, scope=scope)
    assert refused.status_code == 400
    assert refused.json() == {"error": "invalid_scope", "error_description": "Up-scoping is not allowed."}


@pytest.mark.parametrize("scope", ["storage.read", "storage.read:", "foo.bar"])
def test_a_scope_that_the_client_lacks_is_refused_by_name(iam: Running, session: dict[str, Any], scope: str) -> None:
    refused = refresh(iam, session, scope=scope)
    assert refused.status_code == 400
    assert refused.json()["error_description"] == f"Scope '{scope}' not allowed for client 'hub'"


def test_a_climbing_path_is_an_internal_error(iam: Running, session: dict[str, Any]) -> None:
    answer = refresh(iam, session, scope="storage.read:/../x")
    assert answer.status_code == 500
    assert answer.json() == {"error": "server_error", "error_description": "Internal Server Error"}


def test_a_dead_refresh_token_is_401_invalid_token(iam: Running) -> None:
    answer = iam.token(grant_type=REFRESH, refresh_token="garbage")
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_token",
        "error_description": "Refresh token for value garbage was not found",
    }
    assert 'Bearer error="invalid_token"' in answer.headers["www-authenticate"]


def test_an_expired_refresh_token_is_called_invalid(tmp_path: Path) -> None:
    with serving(tmp_path, lifetimes={"refresh_token": 100}) as iam:
        session = iam.sign_in()
        iam.clock.now += 101
        answer = refresh(iam, session)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert answer.json()["error_description"].startswith("Invalid refresh token: ")


def test_a_refresh_token_of_another_client_is_refused_and_stays_good(iam: Running, session: dict[str, Any]) -> None:
    stolen = iam.token(OTHER, grant_type=REFRESH, refresh_token=session["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (401, "invalid_client")
    assert stolen.json()["error_description"] == "Client does not own the presented refresh token"
    assert refresh(iam, session).status_code == 200


def test_a_refresh_ends_earlier_access_tokens_of_its_own_login_only(iam: Running, session: dict[str, Any]) -> None:
    mine, others = refresh(iam, session).json()["access_token"], iam.sign_in()["access_token"]
    refresh(iam, session)
    assert iam.post("/introspect", token=mine).json() == {"active": False}
    dead = iam.http.get("/userinfo", headers={"Authorization": f"Bearer {mine}"})
    assert dead.status_code == 401
    assert dead.json() == {"error": "invalid_token", "error_description": f"Invalid access token: {mine}"}
    assert iam.post("/introspect", token=others).json()["active"] is True


def test_a_rotating_client_gets_a_new_refresh_token_and_keeps_old_access_tokens(iam: Running) -> None:
    session = iam.sign_in(client=ROTATING)
    first = iam.token(ROTATING, grant_type=REFRESH, refresh_token=session["refresh_token"])
    assert first.json()["refresh_token"] != session["refresh_token"]
    again = iam.token(ROTATING, grant_type=REFRESH, refresh_token=session["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (401, "invalid_token")
    assert iam.post("/introspect", ROTATING, token=session["access_token"]).json()["active"] is True
    second = iam.token(ROTATING, grant_type=REFRESH, refresh_token=first.json()["refresh_token"])
    assert second.status_code == 200


def test_of_parallel_rotations_only_one_wins(iam: Running) -> None:
    token = iam.sign_in(client=ROTATING)["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        tries = pool.map(lambda _: iam.token(ROTATING, grant_type=REFRESH, refresh_token=token), range(8))
    assert sorted(answer.status_code for answer in tries) == [200, *[401] * 7]


def test_parallel_refreshes_of_a_reused_token_all_succeed(iam: Running, session: dict[str, Any]) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: refresh(iam, session), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["refresh_token"] for answer in answers} == {session["refresh_token"]}


def test_a_scope_denied_afterwards_drops_out_of_refreshed_tokens(tmp_path: Path) -> None:
    with serving(tmp_path) as iam:
        session = iam.sign_in()
        issuer = iam.issuer
        object.__setattr__(issuer, "settings", issuer.settings.model_copy(update={"group_scopes": {}}))
        assert "storage.read:/" not in refresh(iam, session).json()["scope"].split()
        only = refresh(iam, session, scope="storage.read:/")
        assert only.status_code == 200
        assert "scope" not in claims(only.json()["access_token"])


def test_revoking_an_access_token_leaves_the_session(iam: Running) -> None:
    session = iam.sign_in()
    gone = iam.post("/revoke", token=session["access_token"])
    assert (gone.status_code, gone.content) == (200, b"")
    assert iam.post("/introspect", token=session["access_token"]).json() == {"active": False}
    assert refresh(iam, session).status_code == 200


def test_revoking_a_refresh_token_ends_all_of_its_session(iam: Running) -> None:
    session = iam.sign_in()
    assert iam.post("/revoke", token=session["refresh_token"]).status_code == 200
    assert iam.post("/introspect", token=session["access_token"]).json() == {"active": False}
    assert refresh(iam, session).json()["error"] == "invalid_token"
    assert iam.post("/revoke", token="unknown").status_code == 200


def test_another_clients_token_cannot_be_revoked(iam: Running, session: dict[str, Any]) -> None:
    answer = iam.post("/revoke", OTHER, token=session["refresh_token"])
    assert (answer.status_code, answer.content) == (403, b"")
    assert refresh(iam, session).status_code == 200


def test_introspection_tells_what_the_asker_may_have_itself(iam: Running) -> None:
    token = iam.sign_in(client=OTHER)["access_token"]
    found = iam.post("/introspect", HUB, token=token).json()
    assert (found["active"], found["sub"], found["user_id"], found["client_id"]) == (True, ALICE.sub, "alice", "other")
    assert (found["aud"], found["token_type"], found["iss"]) == (ANY, "Bearer", f"{iam.url}/")
    mine = iam.sign_in()["access_token"]
    assert iam.post("/introspect", OTHER, token=mine).status_code == 403
    assert iam.post("/introspect").status_code == 400


def test_a_token_ends_with_its_life(tmp_path: Path) -> None:
    with serving(tmp_path, lifetimes={"access_token": 60}) as iam:
        session = iam.sign_in()
        assert session["expires_in"] == 59
        iam.clock.now += 61
        assert iam.post("/introspect", token=session["access_token"]).json() == {"active": False}
        assert iam.http.get("/userinfo", params={"access_token": session["access_token"]}).status_code == 401


def test_a_restart_ends_no_session_and_the_database_holds_no_token(tmp_path: Path) -> None:
    with serving(tmp_path) as iam:
        session = iam.sign_in()
        files, now = iam.files, iam.clock
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("issuer.sqlite*"))
    assert session["refresh_token"].encode() not in kept
    assert session["access_token"].encode() not in kept
    again = assemble(files, now)
    assert again.store.get("refresh", session["refresh_token"])
    assert again.store.get("refresh", "another") is None
    again.store.close()


def test_a_person_who_is_gone_gets_nothing_any_more(iam: Running) -> None:
    session = iam.sign_in()
    directory = iam.issuer.directory
    object.__setattr__(iam.issuer, "directory", directory.model_copy(update={"people": ()}))
    try:
        assert refresh(iam, session).json()["error"] == "invalid_token"
    finally:
        object.__setattr__(iam.issuer, "directory", directory)
    assert replace(iam.issuer).directory == directory
