"""The development issuer signs people in as a recorded INDIGO IAM does (authorization code, PKCE, login form)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facility.dev.issuer.settings import CODE
from tests.fakes.issuer import (
    ALICE,
    CALLBACK,
    GUEST,
    HUB,
    OTHER,
    PUBLIC,
    VERIFIER,
    Running,
    authorization,
    claims,
    form,
    header,
    log_in,
    query,
    serving,
)


@pytest.fixture
def iam(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path) as running:
        yield running


def test_a_browser_goes_through_login_and_approval_to_a_code(iam: Running) -> None:
    with iam.browser() as browser:
        first = browser.get("/authorize", params=authorization())
        assert "JSESSIONID=" in first.headers["set-cookie"]
        assert "Secure; HttpOnly; Path=/" in first.headers["set-cookie"]
        page = log_in(browser, first, ALICE)
        fields = form(page.text)
        assert fields["scope.storage.read:/"] == "true"
        assert fields["user_oauth_approval"] == "true"
        answer = browser.post("/authorize", data=fields | {"remember": "none"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{CALLBACK}?code=")
    assert len(query(answer)["code"]) == 22
    assert query(answer)["state"] == "the state"
    assert "iss" not in query(answer)


def test_a_wrong_password_leads_back_to_the_form(iam: Running) -> None:
    with iam.browser() as browser:
        answer = browser.post("/login", data={"username": "alice", "password": "guess"})
        assert (answer.status_code, answer.headers["location"]) == (302, "/login?error=failure")
        assert "Invalid credentials" in browser.get("/login?error=failure").text


def test_a_remembered_approval_is_not_asked_for_again(iam: Running) -> None:
    with iam.browser() as browser:
        page = log_in(browser, browser.get("/authorize", params=authorization()), ALICE)
        browser.post("/authorize", data=form(page.text) | {"remember": "until-revoked"})
    with iam.browser() as browser:
        fewer = authorization(scope="openid storage.read:/", state="another")
        answer = log_in(browser, browser.get("/authorize", params=fewer), ALICE)
        assert answer.status_code == 303
        assert query(answer)["state"] == "another"


def test_saying_no_is_told_to_the_client(iam: Running) -> None:
    with iam.browser() as browser:
        page = log_in(browser, browser.get("/authorize", params=authorization()), ALICE)
        answer = browser.post("/authorize", data=form(page.text) | {"deny": "Deny"})
    assert answer.status_code == 303
    assert "error_description=User%20denied%20access" in answer.headers["location"]
    assert query(answer) == {
        "error": "access_denied",
        "error_description": "User denied access",
        "state": "the state",
    }


def test_the_token_response_is_iams(iam: Running) -> None:
    code = iam.code()
    answer = iam.token(grant_type=CODE, code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["content-length"]) == len(answer.content)
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3599)
    assert "storage.read:/" in body["scope"].split()
    assert header(body["access_token"]) == {"kid": "rsa1", "alg": "RS256"}
    now = int(iam.clock())
    found = claims(body["access_token"])
    assert found.pop("jti")
    assert found == {
        "wlcg.ver": "1.0",
        "sub": ALICE.sub,
        "aud": "https://wlcg.cern.ch/jwt/v1/any",
        "nbf": now,
        "iat": now,
        "exp": now + 3600,
        "iss": f"{iam.url}/",
        "client_id": "hub",
        "scope": body["scope"],
        "wlcg.groups": ["/Analysis", "/Production", "/aaa", "/zeta", "/zeta/child"],
    }


def test_refresh_tokens_are_unsigned_and_id_tokens_carry_the_nonce(iam: Running) -> None:
    body = iam.sign_in()
    now = int(iam.clock())
    assert header(body["refresh_token"]) == {"alg": "none"}
    assert body["refresh_token"].endswith(".")
    assert claims(body["refresh_token"])["exp"] == now + 2592000
    found = claims(body["id_token"])
    assert (found["nonce"], found["aud"], found["exp"]) == ("the nonce", "hub", now + 600)
    assert (found["preferred_username"], found["name"], found["amr"]) == ("alice", "Alice Anders", ["pwd"])


def test_without_offline_access_there_is_no_refresh_token(iam: Running) -> None:
    assert "refresh_token" not in iam.sign_in(scope="openid")
    assert "refresh_token" not in iam.sign_in(client=PUBLIC)


def test_scopes_that_a_persons_groups_do_not_allow_vanish(iam: Running) -> None:
    scope = iam.sign_in(GUEST)["scope"].split()
    assert "storage.read:/" not in scope
    assert {"openid", "compute.create"} <= set(scope)


def test_a_wider_storage_scope_than_a_group_allows_vanishes_whole(tmp_path: Path) -> None:
    allowed = {"/Analysis": ["storage.read:/sub"]}
    with serving(tmp_path, group_scopes=allowed) as iam:
        wide = "openid storage.read:/ storage.read:/sub/deep storage.read:/subway"
        assert iam.sign_in(scope=wide)["scope"].split() == ["openid", "storage.read:/sub/deep"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"redirect_uri": "https://evil.test/callback"}, 400, "Invalid redirect uri"),
        ({"redirect_uri": f"{CALLBACK}/sub"}, 400, "Invalid redirect uri"),
        ({"client_id": "nobody"}, 401, "Client with id nobody was not found"),
    ],
)
def test_what_must_not_go_back_to_the_client_is_shown(
    iam: Running, change: dict[str, str], status: int, words: str
) -> None:
    with iam.browser() as browser:
        answer = log_in(browser, browser.get("/authorize", params=authorization(**change)), ALICE)
    assert answer.status_code == status
    assert words in answer.text
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("change", "error", "description"),
    [
        ({"scope": "openid foo.bar"}, "invalid_scope", "Scope 'foo.bar' not allowed for client 'hub'"),
        ({"scope": "wlcg.groups:zeta"}, "invalid_scope", "Scope 'wlcg.groups:zeta' not allowed for client 'hub'"),
        ({"response_type": None}, "unsupported_response_type", "Unsupported response types"),
    ],
)
def test_other_errors_go_to_the_redirect_uri(
    iam: Running, change: dict[str, str | None], error: str, description: str
) -> None:
    with iam.browser() as browser:
        answer = log_in(browser, browser.get("/authorize", params=authorization(**change)), ALICE)
    assert answer.status_code == 303
    assert query(answer) == {"error": error, "error_description": description, "state": "the state"}


def test_prompt_none_is_never_granted(iam: Running) -> None:
    with iam.browser() as browser:
        answer = browser.get("/authorize", params=authorization(prompt="none"))
    assert (answer.status_code, query(answer)["error"]) == (302, "login_required")


def test_a_code_is_good_once_and_the_first_token_lives_on(iam: Running) -> None:
    form = {"grant_type": CODE, "code": iam.code(), "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    token = iam.token(**form).json()["access_token"]
    again = iam.token(**form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert again.json()["error_description"].startswith("JpaAuthorizationCodeRepository: no authorization code found")
    assert iam.post("/introspect", token=token).json()["active"] is True


def test_a_code_is_spent_by_a_wrong_redirect_uri(iam: Running) -> None:
    code = iam.code()
    wrong = iam.token(grant_type=CODE, code=code, redirect_uri="https://hub.test/", code_verifier=VERIFIER)
    assert (wrong.status_code, wrong.json()["error_description"]) == (400, "Redirect URI mismatch.")
    right = iam.token(grant_type=CODE, code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    assert right.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("verifier", "status", "error", "description"),
    [
        ("w" * 43, 400, "invalid_request", "Code challenge and verifier do not match"),
        ("", 500, "server_error", "Internal Server Error"),
    ],
)
def test_the_verifier_must_match(iam: Running, verifier: str, status: int, error: str, description: str) -> None:
    answer = iam.token(grant_type=CODE, code=iam.code(), redirect_uri=CALLBACK, code_verifier=verifier)
    assert answer.status_code == status
    assert answer.json() == {"error": error, "error_description": description}


def test_a_code_belongs_to_its_client(iam: Running) -> None:
    answer = iam.token(OTHER, grant_type=CODE, code=iam.code(), redirect_uri=CALLBACK, code_verifier=VERIFIER)
    assert (answer.status_code, answer.json()["error_description"]) == (401, "Client ID mismatch")
    assert 'Bearer error="invalid_client"' in answer.headers["www-authenticate"]


def test_the_audience_of_the_authorization_is_in_the_token(iam: Running) -> None:
    assert claims(iam.sign_in(audience="https://se.example")["access_token"])["aud"] == "https://se.example"


@pytest.mark.parametrize(
    ("scope", "groups"),
    [
        ("openid", None),
        ("openid wlcg.groups", ["/Analysis", "/Production", "/aaa", "/zeta", "/zeta/child"]),
        ("openid wlcg.groups:/zeta", ["/zeta", "/Analysis", "/Production", "/aaa", "/zeta/child"]),
        ("openid wlcg.groups:/optional", ["/optional", "/Analysis", "/Production", "/aaa", "/zeta", "/zeta/child"]),
        ("openid wlcg.groups wlcg.groups:/zeta", ["/Analysis", "/Production", "/aaa", "/zeta", "/zeta/child"]),
        ("openid wlcg.groups:/nosuch", ["/Analysis", "/Production", "/aaa", "/zeta", "/zeta/child"]),
    ],
)
def test_groups_come_in_iams_order(iam: Running, scope: str, groups: list[str] | None) -> None:
    assert claims(iam.sign_in(scope=scope)["access_token"]).get("wlcg.groups") == groups


def test_an_issuer_without_slash_shows_it_in_discovery_and_id_tokens_only(tmp_path: Path) -> None:
    with serving(tmp_path, issuer="https://iam.example:8443", iss_parameter=True) as iam:
        assert iam.http.get("/.well-known/openid-configuration").json()["issuer"] == "https://iam.example:8443/"
        body = iam.sign_in()
        assert claims(body["access_token"])["iss"] == "https://iam.example:8443"
        assert claims(body["id_token"])["iss"] == "https://iam.example:8443/"
        with iam.browser() as browser:
            answer = browser.get("/authorize", params=authorization(prompt="none"))
        assert query(answer)["iss"] == "https://iam.example:8443/"


def test_a_public_client_needs_no_secret(iam: Running) -> None:
    code = iam.code(client=PUBLIC)
    form = {"grant_type": CODE, "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    assert iam.http.post("/token", data=form | {"client_id": PUBLIC.client_id}).status_code == 200


def test_a_basic_client_may_send_its_secret_in_the_form(iam: Running) -> None:
    credentials = {"client_id": HUB.client_id, "client_secret": HUB.client_secret}
    form = {"grant_type": CODE, "code": iam.code(), "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    assert iam.http.post("/token", data=form | credentials).status_code == 200
