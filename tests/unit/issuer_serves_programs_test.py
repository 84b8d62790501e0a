"""The development issuer's other endpoints: discovery, keys, userinfo, service grants, devices, keys that change."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from facility.dev.issuer import mint
from facility.dev.issuer.keys import Key, read_key
from facility.dev.issuer.settings import CLIENT, CODE, DEVICE, EXCHANGE, Client, Person
from tests.fakes.issuer import (
    ALICE,
    GUEST,
    HUB,
    OTHER,
    PUBLIC,
    Browser,
    Running,
    claims,
    form,
    header,
    log_in,
    serving,
    signing_key,
)
from tests.fakes.patience import PATIENCE

ANY = "https://wlcg.cern.ch/jwt/v1/any"


@pytest.fixture(scope="module")
def iam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("iam")) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_discovery_names_the_endpoints_that_answer(iam: Running) -> None:
    answer = iam.http.get("/.well-known/openid-configuration")
    found = answer.json()
    assert answer.headers["cache-control"].startswith("no-cache")
    assert found["issuer"] == f"{iam.url}/"
    assert found["jwks_uri"] == f"{iam.url}/jwk"
    assert found["device_authorization_endpoint"] == f"{iam.url}/devicecode"
    assert not [scope for scope in found["scopes_supported"] if scope.startswith("storage.")]
    assert iam.http.get("/.well-known/oauth-authorization-server").status_code == 404


def test_keys_have_neither_alg_nor_use_and_check_the_tokens(iam: Running) -> None:
    answer = iam.http.get("/jwk")
    assert set(answer.json()["keys"][0]) == {"kty", "e", "kid", "n"}
    assert "max-age=21600" in answer.headers["cache-control"]
    token = iam.sign_in()["access_token"]
    jwt.decode(token, KeySet.import_key_set(answer.json()), algorithms=["RS256"])


def test_a_key_is_published_before_it_signs(tmp_path: Path) -> None:
    with serving(tmp_path, publish_ahead=600) as iam:
        iam.http.get("/jwk")
        (iam.files.keys / "rsa2.pem").write_text(mint.signing_key())
        assert {one["kid"] for one in iam.http.get("/jwk").json()["keys"]} == {"rsa1", "rsa2"}
        assert header(iam.sign_in()["access_token"])["kid"] == "rsa1"
        iam.clock.now += 600
        assert header(iam.sign_in()["access_token"])["kid"] == "rsa2"
        (iam.files.keys / "rsa1.pem").unlink()
        assert {one["kid"] for one in iam.http.get("/jwk").json()["keys"]} == {"rsa2"}


def test_userinfo_has_groups_and_names_with_the_scope_profile_only(iam: Running) -> None:
    full = iam.http.get("/userinfo", headers=bearer(iam.sign_in()["access_token"])).json()
    assert (full["sub"], full["preferred_username"], full["email"]) == (ALICE.sub, "alice", "alice@example.org")
    assert full["wlcg.groups"] == ["/Analysis", "/Production", "/aaa", "/zeta", "/zeta/child"]
    assert "openid" in full["scope"]
    bare = iam.sign_in(scope="openid wlcg.groups")["access_token"]
    assert iam.http.get("/userinfo", headers=bearer(bare)).json() == {"sub": ALICE.sub}


def test_userinfo_refuses_as_iam_does(iam: Running) -> None:
    session = iam.sign_in()
    none = iam.http.get("/userinfo")
    assert (none.status_code, none.json()["error"]) == (401, "unauthorized")
    assert none.json()["error_description"] == "Full authentication is required to access this resource"
    assert iam.http.get("/userinfo", headers=bearer("garbage")).json()["error"] == "invalid_token"
    assert iam.http.get("/userinfo", headers=bearer(session["id_token"])).status_code == 401
    without = iam.sign_in(scope="storage.read:/")["access_token"]
    assert iam.http.get("/userinfo", headers=bearer(without)).status_code == 403
    assert iam.http.post("/userinfo").status_code == 405


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_bad_and_missing_client_credentials_are_401_unauthorized(iam: Running, path: str) -> None:
    wrong = HUB.model_copy(update={"client_secret": "wrong"})
    for client in (wrong, wrong.model_copy(update={"client_id": "nobody"})):
        bad = iam.post(path, client, grant_type=CODE, token="x")
        assert bad.status_code == 401
        assert bad.json() == {"error": "unauthorized", "error_description": "Bad credentials"}
        assert 'Bearer realm="openidconnect", error="unauthorized"' in bad.headers["www-authenticate"]
    none = iam.http.post(path, data={"grant_type": CODE, "token": "x"})
    assert none.json()["error_description"] == "Full authentication is required to access this resource"


def test_grant_types_are_refused_as_iam_does(iam: Running) -> None:
    unknown = iam.token(grant_type="foo")
    assert (unknown.status_code, unknown.json()["error"]) == (400, "unsupported_grant_type")
    assert iam.token().status_code == 500
    forbidden = iam.token(OTHER, grant_type=CLIENT)
    assert (forbidden.status_code, forbidden.json()["error"]) == (401, "invalid_client")
    assert forbidden.json()["error_description"] == "Unauthorized grant type"
    get = iam.http.get("/token")
    assert (get.status_code, get.json()["error"]) == (405, "method_not_allowed")


def test_client_credentials_give_the_client_a_token_of_its_own(iam: Running) -> None:
    body = iam.token(grant_type=CLIENT).json()
    assert set(body["scope"].split()) == set(HUB.scopes)
    assert not {"refresh_token", "id_token"} & set(body)
    found = claims(body["access_token"])
    assert (found["sub"], found["client_id"], found["aud"]) == ("hub", "hub", ANY)
    assert "wlcg.groups" not in found
    aimed = iam.token(grant_type=CLIENT, scope="storage.read:/sub", audience="https://se.example").json()
    assert claims(aimed["access_token"])["aud"] == "https://se.example"
    wider = iam.token(grant_type=CLIENT, scope="storage.write:/")
    assert wider.json()["error_description"] == "Scope 'storage.write:/' not allowed for client 'hub'"


def test_an_exchange_names_its_actor_and_needs_a_scope(iam: Running) -> None:
    subject = iam.sign_in(client=OTHER)["access_token"]
    bare = iam.token(grant_type=EXCHANGE, subject_token=subject)
    assert bare.status_code == 400
    assert bare.json()["error_description"] == "The scope parameter is required for a token exchange request!"
    body = iam.token(
        grant_type=EXCHANGE, subject_token=subject, scope="openid compute.read", audience="https://x"
    ).json()
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    found = claims(body["access_token"])
    assert (found["sub"], found["client_id"], found["act"]) == (ALICE.sub, "hub", {"sub": "hub"})
    again = iam.token(grant_type=EXCHANGE, subject_token=body["access_token"], scope="openid").json()
    assert claims(again["access_token"])["act"] == {"sub": "hub", "act": {"sub": "hub"}}


def test_an_exchange_of_nonsense_is_refused(iam: Running) -> None:
    bad = iam.token(grant_type=EXCHANGE, subject_token="garbage", scope="openid")
    assert (bad.status_code, bad.json()["error"]) == (401, "invalid_token")
    delegated = iam.token(grant_type=EXCHANGE, subject_token="x", actor_token="y", scope="openid")
    assert delegated.json()["error_description"] == "Delegation not supported"
    assert iam.token(grant_type=EXCHANGE, scope="openid").status_code == 500


def device(iam: Running, person: Person, *, allow: bool) -> dict[str, Any]:
    begun: dict[str, Any] = iam.post("/devicecode", scope="openid profile storage.read:/").json()
    with iam.browser() as browser:
        page = log_in(browser, browser.get(begun["verification_uri_complete"]), person)
        assert begun["user_code"] in page.text
        asked = browser.post("/device/verify", data={"user_code": begun["user_code"].lower()})
        answer = {"authorize": "Authorize"} if allow else {"deny": "Deny"}
        assert browser.post("/device/approve", data=form(asked.text) | answer).status_code == 200
    return begun


def test_a_device_gets_its_token_after_approval_and_once(iam: Running) -> None:
    begun = iam.post("/devicecode", scope="openid").json()
    assert set(begun) == {"user_code", "device_code", "verification_uri_complete", "verification_uri", "expires_in"}
    waiting = iam.token(grant_type=DEVICE, device_code=begun["device_code"])
    assert waiting.status_code == 400
    assert waiting.json() == {
        "error": "authorization_pending",
        "error_description": f"Authorization pending for code: {begun['device_code']}",
    }
    code = device(iam, ALICE, allow=True)["device_code"]
    assert claims(iam.token(grant_type=DEVICE, device_code=code).json()["access_token"])["sub"] == ALICE.sub
    used = iam.token(grant_type=DEVICE, device_code=code)
    assert (used.status_code, used.json()["error"]) == (400, "invalid_grant")


def test_a_denied_device_goes_on_waiting(iam: Running) -> None:
    code = device(iam, ALICE, allow=False)["device_code"]
    assert iam.token(grant_type=DEVICE, device_code=code).json()["error"] == "authorization_pending"


def test_a_device_gets_no_scope_that_its_persons_groups_do_not_allow(iam: Running) -> None:
    code = device(iam, GUEST, allow=True)["device_code"]
    assert iam.token(grant_type=DEVICE, device_code=code).json()["scope"] == "openid profile"


def test_device_codes_are_refused_as_iam_does(iam: Running) -> None:
    assert iam.http.post("/devicecode", data={"client_id": "hub"}).status_code == 200
    unknown = iam.post("/devicecode", scope="foo.bar").json()
    assert unknown["error_description"] == "One or more requested scope is not allowed for client 'hub'"
    assert iam.http.post("/devicecode", data={"client_id": PUBLIC.client_id}).json()["error"] == "invalid_client"


def test_minted_tokens_are_what_they_are_asked_to_be(iam: Running) -> None:
    key = signing_key()
    keys = KeySet.import_key_set(iam.http.get("/jwk").json())
    good = mint.token(key, "rsa1", f"{iam.url}/", sub="x", audience="https://a", scope="storage.read:/", now=1000)
    found = jwt.decode(good, keys, algorithms=["RS256"]).claims
    assert (found["aud"], found["scope"], found["exp"]) == ("https://a", "storage.read:/", 1600)
    assert claims(mint.token(key, "rsa1", "https://i/", life=-10, now=1000))["exp"] == 990
    assert "aud" not in claims(mint.token(key, "rsa1", "https://i/", aud=None))
    forged = mint.token(mint.signing_key(), "rsa1", f"{iam.url}/")
    with pytest.raises(JoseError):
        jwt.decode(forged, keys, algorithms=["RS256"])
    assert mint.public_keys({"rsa1": key}) == iam.http.get("/jwk").json()


def test_a_key_is_read_once_for_all_tokens_it_signs_and_another_by_the_same_name_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = list[bytes]()

    def reads(pem: bytes, kid: str) -> Key:
        read.append(pem)
        return read_key(pem, kid)

    monkeypatch.setattr(mint, "read_key", reads)
    pems = [mint.signing_key() for _ in range(2)]
    for pem in 2 * pems:
        keys = KeySet.import_key_set(mint.public_keys({"same": pem}))  # type: ignore[arg-type]
        jwt.decode(mint.token(pem, "same", "https://i/"), keys, algorithms=["RS256"])
    assert read == [pem.encode() for pem in pems]


def test_secrets_show_in_no_repr() -> None:
    texts = repr([Client(client_id="c", client_secret="hidden words"), ALICE])
    assert "hidden words" not in texts
    assert ALICE.password not in texts


def test_the_program_serves_over_tls_and_logs_no_code(tmp_path: Path) -> None:
    with serving(tmp_path) as iam:  # writes the files, and lends its certificate
        for name in ("people", "clients"):
            (tmp_path / name).mkdir()
            (tmp_path / f"{name}.yaml").rename(tmp_path / name / f"{name}.yaml")
        (tmp_path / "localhost").rename(tmp_path / "tls")
        bundle = iam.bundle
    environment = os.environ | {
        "ISSUER_CONFIG": str(tmp_path),
        "ISSUER_STATE": str(tmp_path / "state.sqlite"),
        "ISSUER_BIND": "127.0.0.1:0",
    }
    command = [sys.executable, "-m", "facility.dev.issuer.app"]
    with (tmp_path / "log").open("w") as log:
        program = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = listening(tmp_path / "log", program)
        with Browser(url, bundle) as http:
            assert http.get("/healthz").text == "ok\n"
            answer = http.get("/authorize", params={"state": "very-secret-state"})
            assert answer.status_code == 302
            assert "content-length" in answer.headers
    finally:
        program.terminate()
        program.wait(PATIENCE)
    log = (tmp_path / "log").read_text()
    assert "GET /authorize 302" in log
    assert "very-secret-state" not in log


def listening(log: Path, program: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and program.poll() is None:
        for line in log.read_text().splitlines():
            if "Listening at: " in line:
                port = line.split("Listening at: https://127.0.0.1:")[1].split(" ")[0]
                return f"https://localhost:{port}"
        time.sleep(0.05)
    raise AssertionError(log.read_text())
