"""A token that says something else than was asked for is refused, with the claim's name and never its bytes."""

from __future__ import annotations

from typing import Any

import pytest

from facility.tokens import claims
from facility.tokens.claims import ANY_AUDIENCE, ClaimsError, Expected
from facility.tokens.scopes import parse_all

NOW = 1_800_000_000.0
EXPECTED = Expected("https://iam.test/", "https://lake.test", parse_all("storage.read:/open storage.read:/mc"), "sub-1")
GOOD: dict[str, Any] = {
    "wlcg.ver": "1.0",
    "iss": "https://iam.test/",
    "sub": "sub-1",
    "aud": "https://lake.test",
    "scope": "storage.read:/open",
    "nbf": NOW,
    "exp": NOW + 60,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"iss": "https://iam.test"},
        {"aud": ["https://lake.test"]},
        {"aud": ["https://lake.test", "condor://cm.test"]},
        {"scope": "storage.read:/open/below storage.read:/mc"},
        {"nbf": NOW + 59},
        {"wlcg.ver": "1.7"},
        {"unknown": {"ignored": True}},
    ],
)
def test_a_token_that_is_what_was_asked_for_passes(change: dict[str, Any]) -> None:
    claims.check(claims.read(GOOD | change), EXPECTED, NOW)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"iss": "https://other.test/"}, "iss"),
        ({"iss": "https://iam.test///"}, "iss"),
        ({"iss": "https://iam.test/x"}, "iss"),
        ({"iss": None}, "iss"),
        ({"sub": "sub-2"}, "sub"),
        ({"sub": ""}, "sub"),
        ({"aud": "https://lake.test/"}, "aud"),
        ({"aud": ANY_AUDIENCE}, "aud"),
        ({"aud": ["https://lake.test", ANY_AUDIENCE]}, "aud"),
        ({"aud": ["https://lake.test", 3]}, "aud"),
        ({"aud": None}, "aud"),
        ({"scope": "storage.read:/"}, "scope"),
        ({"scope": "storage.read:/open openid"}, "scope"),
        ({"scope": "storage.read"}, "scope"),
        ({"scope": "storage.read:/open/../embargoed"}, "scope"),
        ({"scope": ["storage.read:/open"]}, "scope"),
        ({"scope": ""}, "scope"),
        ({"exp": NOW}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"nbf": NOW + 61}, "nbf"),
        ({"wlcg.ver": "2.0"}, "wlcg.ver"),
    ],
)
def test_a_token_that_is_not_is_refused_by_the_name_of_the_claim(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ClaimsError, match=rf"claim {named}\b"):
        claims.check(claims.read(GOOD | change), EXPECTED, NOW)


def test_a_token_for_several_audiences_is_for_each_of_them() -> None:
    both = Expected("https://iam.test/", "https://lake.test https://other.test", EXPECTED.scopes, "sub-1")
    claims.check(claims.read(GOOD | {"aud": ["https://other.test", "https://lake.test"]}), both, NOW)
    for audience in ("https://lake.test", ["https://lake.test", ANY_AUDIENCE], "https://lake.test https://other.test"):
        with pytest.raises(ClaimsError, match="claim aud"):
            claims.check(claims.read(GOOD | {"aud": audience}), both, NOW)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.b.c.d", "!.?.%", "W10.W10.x", "e30.bm9qc29u.x"])
def test_what_is_no_jwt_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ClaimsError, match=r"^the token is not a JWT$") as caught:
        claims.unverified(text)
    assert caught.value.__cause__ is None
