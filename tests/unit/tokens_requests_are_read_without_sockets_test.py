"""Flows: what goes to a token endpoint, and what each answer of an INDIGO IAM means."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Generator
from typing import Any

import pytest

from facility.tokens import metadata, requests
from facility.tokens.metadata import Metadata
from facility.tokens.requests import (
    Client,
    ClientRefusedError,
    Grant,
    RequestRefusedError,
    SessionDeadError,
)
from facility.tokens.scopes import parse_all
from facility.tokens.wire import Request, Response, UnavailableError

IAM = Metadata("https://iam.test/", "https://iam.test/token", "https://iam.test/jwk", "https://iam.test/revoke")
POST_ONLY = Metadata(**{**IAM.__dict__, "basic": False, "post": True})
CLIENT = Client("a client", "se:cr+et/")
SCOPES = parse_all("storage.read:/open storage.read:/mc")


def drive(flow: Generator[Request, Response, Any], *answers: Response) -> tuple[list[Request], Any]:
    """Runs a flow with these answers."""
    asked, queue = [next(flow)], list(answers)
    while True:
        try:
            asked.append(flow.send(queue.pop(0)))
        except StopIteration as stop:
            return asked, stop.value


def answer(status: int, **body: Any) -> Response:
    return Response(status, json.dumps(body).encode())


def refresh(response: Response) -> Grant:
    grant: Grant = drive(requests.refresh(IAM, CLIENT, "old-refresh", "https://lake.test", SCOPES), response)[1]
    return grant


def test_a_refresh_always_names_audience_and_scope() -> None:
    good = answer(200, access_token="at", token_type="Bearer")
    asked, _ = drive(requests.refresh(IAM, CLIENT, "old-refresh", "https://lake.test", SCOPES), good)
    assert [(one.method, one.url) for one in asked] == [("POST", "https://iam.test/token")]
    assert asked[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "old-refresh",
        "audience": "https://lake.test",
        "scope": "storage.read:/open storage.read:/mc",
    }


def test_the_client_s_secret_is_encoded_before_it_becomes_basic_authentication() -> None:
    asked, _ = drive(
        requests.client_credentials(IAM, CLIENT, "a", SCOPES), answer(200, access_token="at", token_type="bearer")
    )
    scheme, _, pair = str(asked[0].authorization).partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"a+client:se%3Acr%2Bet%2F")
    assert "client_secret" not in (asked[0].form or {})


@pytest.mark.parametrize(
    ("basic", "post", "secret", "in_form"),
    [
        (True, True, "plain-secret_1", False),
        (True, True, "se:cr+et/", True),
        (True, False, "se:cr+et/", False),
        (False, True, "plain-secret_1", True),
    ],
)
def test_the_secret_goes_where_both_sides_read_it_the_same_way(
    basic: bool, post: bool, secret: str, in_form: bool
) -> None:
    there = Metadata(IAM.issuer, IAM.token_endpoint, IAM.jwks_uri, None, basic, post)
    flow = requests.client_credentials(there, Client("facility", secret), "a", SCOPES)
    asked, _ = drive(flow, answer(200, access_token="at", token_type="Bearer"))
    assert (asked[0].authorization is None) is in_form
    assert ((asked[0].form or {}).get("client_secret") == secret) is in_form


@pytest.mark.parametrize(
    ("methods", "basic", "post"),
    [
        (None, True, False),
        (["client_secret_basic", "client_secret_post", "none"], True, True),
        (["client_secret_post"], False, True),
        (["private_key_jwt"], True, False),
    ],
)
def test_metadata_says_how_the_client_proves_itself(methods: list[str] | None, basic: bool, post: bool) -> None:
    document = {"issuer": IAM.issuer, "token_endpoint": IAM.token_endpoint, "jwks_uri": IAM.jwks_uri}
    found = drive(metadata.fetch(IAM.issuer), answer(200, **document, token_endpoint_auth_methods_supported=methods))[1]
    assert (found.basic, found.post) == (basic, post)


def test_the_rotated_refresh_token_comes_with_the_grant() -> None:
    assert refresh(answer(200, access_token="at", token_type="Bearer")) == Grant("at", None)
    assert refresh(answer(200, access_token="at", token_type="bearer", refresh_token="new")) == Grant("at", "new")


def test_a_rotated_refresh_token_is_not_lost_with_a_useless_access_token() -> None:
    assert refresh(answer(200, token_type="mac", refresh_token="new")) == Grant("", "new")


@pytest.mark.parametrize(
    ("status", "error", "meaning"),
    [
        (400, "invalid_grant", SessionDeadError),
        (401, "invalid_token", SessionDeadError),
        (401, "unauthorized", ClientRefusedError),
        (401, "invalid_client", ClientRefusedError),
        (400, "unauthorized_client", ClientRefusedError),
        (400, "invalid_scope", RequestRefusedError),
        (400, "invalid_target", RequestRefusedError),
        (403, "access_denied", RequestRefusedError),
        (500, "server_error", UnavailableError),
        (500, "invalid_grant", UnavailableError),
        (503, "temporarily_unavailable", UnavailableError),
        (429, "slow_down", UnavailableError),
        (400, "invalid_request", UnavailableError),
        (302, "", UnavailableError),
    ],
)
def test_only_the_issuer_s_word_on_the_refresh_token_means_that_it_is_dead(
    status: int, error: str, meaning: type[Exception]
) -> None:
    with pytest.raises(meaning) as caught:
        refresh(answer(status, error=error, error_description="Refresh token for value old-refresh was not found"))
    assert "old-refresh" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>502 Bad Gateway</html>", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000]
)
def test_garbage_with_any_status_is_an_issuer_out_of_order(body: bytes) -> None:
    for status in (200, 400, 404, 502):
        with pytest.raises(UnavailableError):
            refresh(Response(status, body))
    with pytest.raises(ClientRefusedError):
        refresh(Response(401, body))


@pytest.mark.parametrize(("status", "error"), [(400, "invalid_grant"), (401, "invalid_token"), (401, "unauthorized")])
def test_a_client_s_own_token_knows_no_dead_session(status: int, error: str) -> None:
    with pytest.raises(ClientRefusedError):
        drive(requests.client_credentials(IAM, CLIENT, "a", SCOPES), answer(status, error=error))


def test_revocation_is_asked_for_where_the_issuer_offers_it() -> None:
    asked, done = drive(requests.revoke(IAM, CLIENT, "old-refresh"), Response(200))
    assert (asked[0].url, done) == ("https://iam.test/revoke", True)
    silent = Metadata("https://iam.test/", "https://iam.test/token", "https://iam.test/jwk")
    with pytest.raises(StopIteration):
        next(requests.revoke(silent, CLIENT, "old-refresh"))


@pytest.mark.parametrize("issuer", ["https://iam.test", "https://iam.test/"])
def test_metadata_is_found_below_the_issuer_with_or_without_its_slash(issuer: str) -> None:
    document = answer(200, issuer="https://iam.test/", token_endpoint=IAM.token_endpoint, jwks_uri=IAM.jwks_uri)
    asked, found = drive(metadata.fetch(issuer), document)
    assert asked[0].url == "https://iam.test/.well-known/openid-configuration"
    assert found == Metadata("https://iam.test/", IAM.token_endpoint, IAM.jwks_uri)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.test/"},
        {"issuer": None},
        {"token_endpoint": "http://iam.test/token"},
        {"token_endpoint": None},
        {"jwks_uri": 7},
        {"revocation_endpoint": "ftp://iam.test"},
    ],
)
def test_metadata_of_another_issuer_or_without_tls_is_not_used(change: dict[str, Any]) -> None:
    document = {"issuer": "https://iam.test/", "token_endpoint": IAM.token_endpoint, "jwks_uri": IAM.jwks_uri}
    with pytest.raises(UnavailableError):
        drive(metadata.fetch("https://iam.test/"), answer(200, **(document | change)))


def test_no_repr_shows_a_secret() -> None:
    good = answer(200, access_token="the-at", token_type="Bearer", refresh_token="the-rt")
    asked, grant = drive(requests.refresh(POST_ONLY, CLIENT, "old-refresh", "a", SCOPES), good)
    shown = repr([asked, grant, CLIENT, good])
    assert not [secret for secret in ("the-at", "the-rt", "old-refresh", "se:cr") if secret in shown]
