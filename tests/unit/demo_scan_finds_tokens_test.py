"""The scan of the cluster tests finds the tokens of the VOs' issuers, and takes nothing else for one."""

from __future__ import annotations

import base64
import gzip
import json
import resource
import subprocess
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.issuer import mint
from tests.cluster.limits import LIMITS, core_limits
from tests.cluster.scan import Found, decoded, known, tokens


def segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(**claims: Any) -> str:
    """A refresh token as INDIGO IAM makes them: `alg` none and an empty signature."""
    return f"{segment({'alg': 'none'})}.{segment(claims)}."


def of_pod() -> str:
    """A ServiceAccount token: Kubernetes' own, with its own issuer."""
    head = {"alg": "RS256", "kid": "cluster"}
    return f"{segment(head)}.{segment({'iss': 'https://kubernetes.default.svc.cluster.local'})}.c2lnbmF0dXJl"


@pytest.fixture(scope="module")
def access() -> str:
    return mint.token(mint.signing_key(), "k1", world.CMS.issuer, sub="alice", audience=world.ORIGIN)


def wrapped(text: str, times: int) -> str:
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


def test_a_token_is_found_in_the_middle_of_a_line(access: str) -> None:
    assert [one.kind for one in tokens("log", f'GET /x "Authorization: Bearer {access}" 200')] == ["token"]


def test_a_token_is_found_in_base64_as_secrets_hold_it(access: str) -> None:
    text = json.dumps({"data": {"lake": wrapped(f"before {access}\nafter", 1)}})
    assert {one.kind for one in tokens("objects", text)} == {"token"}


@pytest.mark.parametrize("around", ["{}", "/var/lib/{}", '{{"text": "\\n{}"}}', "x{}"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_token_is_found_however_often_it_is_encoded_and_whatever_stands_before_it(
    access: str, times: int, around: str
) -> None:
    assert set(tokens("objects", around.format(wrapped(access, times))))


def test_a_token_is_found_in_a_release_as_helm_stores_it(access: str) -> None:
    packed = base64.b64encode(gzip.compress(json.dumps({"values": f"\n{wrapped(access, 1)}"}).encode())).decode()
    assert set(tokens("objects", json.dumps({"data": {"release": wrapped(packed, 1)}})))


def test_an_id_token_is_found_with_and_without_the_issuers_slash() -> None:
    for issuer in (world.CMS.issuer, world.CMS.issuer.rstrip("/")):
        assert list(tokens("log", mint.token(mint.signing_key(), "k1", issuer)))


def test_what_is_found_is_told_without_its_bytes(access: str) -> None:
    (found,) = tokens("log", access)
    assert found.where == "log"
    assert "sub alice" in found.claims
    assert not [part for part in access.split(".") if part in str(found)]


def test_an_unsigned_token_is_a_refresh_token_whoever_made_it() -> None:
    (found,) = tokens("database", f"x'{unsigned(jti='r-1')}'")
    assert found == Found("database", "refresh token", "jti r-1 aud None sub None")


def test_tokens_of_pods_are_kubernetes_own_business() -> None:
    assert not list(tokens("environments", f"TOKEN={of_pod()} {wrapped(of_pod(), 1)}"))


@pytest.mark.parametrize("text", ["", "eyJ", "eyJhbGciOiJSUzI1NiJ9", "eyJub3QganNvbg.eyJub3QganNvbg.x", "A" * 4096])
def test_what_only_looks_like_a_token_is_none(text: str) -> None:
    assert not list(tokens("log", text))


def test_a_part_that_is_no_object_has_no_claims() -> None:
    assert decoded(base64.urlsafe_b64encode(b"[1, 2]").decode()) == {}
    assert decoded("A") == {}


SECRET = "Zq3-fT9_" * 5


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("after", ["", "z", "\n"])
def test_a_known_secret_is_found_as_it_is_and_within_base64(before: str, after: str) -> None:
    text = before + SECRET + after
    for shown in (text, wrapped(text, 1), f"data: {wrapped(text, 1)} more"):
        assert [one.claims for one in known("here", shown, {"cms": SECRET, "atlas": "Y" * 40})] == ["cms"]


def test_another_secret_is_none_that_is_known() -> None:
    assert list(known("here", wrapped(SECRET[::-1], 1), {"cms": SECRET})) == []


def test_the_limits_of_core_files_are_read_from_the_process_table() -> None:
    told = subprocess.run(["sh", "-c", LIMITS], capture_output=True, check=True).stdout.decode(errors="replace")
    mine = [limits for command, limits in core_limits(told) if "pytest" in command]
    assert tuple(resource.getrlimit(resource.RLIMIT_CORE)) in [tuple(map(number, one)) for one in mine]


def number(limit: str) -> int:
    return resource.RLIM_INFINITY if limit == "unlimited" else int(limit)
