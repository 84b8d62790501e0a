"""Identity tokens made in Python are those that HTCondor makes."""

from __future__ import annotations

import jwt
import pytest

from facility.condor import idtoken

#: a key file and a token that condor_token_create 25.14.1 made with it
KEY = b"MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSktM"
MADE_BY_CONDOR = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ.eyJpYXQiOjE3OTUyNDkxMTAsImlzcyI6InBvb2wiLCJqdGkiOiI4M2Y1NTA5ZGI1NDVlOGViN"
    "jBhNmE5YmY4ZmQ2OWZhMSIsInNjb3BlIjoiY29uZG9yOlwvUkVBRCIsInN1YiI6ImNtc19hbGljZUBwb29sIn0.h0Ky7hBDnIbFQayb-4kfVEOOoz"
    "ms1_dQbzzTGGpUkDs"
)
NOW = 1_800_000_000.0


def test_htcondors_own_token_is_signed_by_the_key_that_we_derive() -> None:
    claims = jwt.decode(MADE_BY_CONDOR, idtoken.signing_key(KEY), algorithms=["HS256"])
    assert claims["sub"] == "cms_alice@pool"


def test_a_token_carries_what_htcondors_own_does() -> None:
    token = idtoken.mint(KEY, "cms_alice@pool", idtoken.READ_SCOPES, NOW)
    theirs = jwt.decode(MADE_BY_CONDOR, idtoken.signing_key(KEY), algorithms=["HS256"])
    ours = jwt.decode(
        token, idtoken.signing_key(KEY), algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert jwt.get_unverified_header(token)["kid"] == jwt.get_unverified_header(MADE_BY_CONDOR)["kid"]
    assert {name: ours[name] for name in ("iss", "sub", "scope")} == {n: theirs[n] for n in ("iss", "sub", "scope")}
    assert ours["exp"] == NOW + idtoken.LIFE


def test_an_execute_pod_may_offer_itself_and_no_administrator_is_among_its_rights() -> None:
    token = idtoken.mint(KEY, "cms_alice@pool", idtoken.EXECUTE_SCOPES, NOW, life=60)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["scope"].split() == [
        "condor:/READ",
        "condor:/WRITE",
        "condor:/ADVERTISE_STARTD",
        "condor:/ADVERTISE_MASTER",
    ]
    assert claims["exp"] - claims["iat"] == 60


def test_each_key_signs_for_itself_only() -> None:
    token = idtoken.mint(idtoken.make_key(), "cms_alice@pool", ["READ"], NOW)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, idtoken.signing_key(KEY), algorithms=["HS256"])


def test_a_key_has_no_byte_at_which_htcondor_would_cut_it() -> None:
    for key in (idtoken.make_key() for _ in range(200)):
        assert len(key) == 64
        assert not any(byte == mask for byte, mask in zip(key, b"\xde\xad\xbe\xef" * 16, strict=True))
