"""Tokens are looked at before anybody gets them: signature, key, algorithm, claims."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from facility.broker.issuer import KEYS_EXPIRE, KEYS_KEEP, KEYS_PAUSE
from tests.fakes.broker_world import COMPUTE, EMBARGOED, LAKE, OPEN, World, facility
from tests.fakes.token_issuer import Key


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        yield made


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://wlcg.cern.ch/jwt/v1/any"},
        {"aud": "https://other.test"},
        {"scope": f"{EMBARGOED} {OPEN} storage.modify:/"},
        {"sub": "sub-bob"},
        {"iss": "https://evil.test/"},
        {"exp": 1},
    ],
)
async def test_a_token_with_other_claims_reaches_nobody(world: World, claims: dict[str, Any]) -> None:
    world.issuer.claims = claims
    answer = await world.token()
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert f"claim {next(iter(claims))}" in answer.description
    assert await world.state() == {"state": "unknown", "reason": "AnswerRefused"}


async def test_an_issuer_may_leave_the_slash_off_its_tokens(world: World) -> None:
    world.issuer.claims = {"iss": world.issuer.url.rstrip("/")}
    assert (await world.token()).status == 200


async def test_a_token_may_be_narrower_than_was_asked_for(world: World) -> None:
    world.issuer.claims = {"scope": OPEN}
    assert (await world.token()).body["scope"] == OPEN


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_both_algorithms_of_the_profile_are_understood_without_alg_in_the_key(
    world: World, algorithm: str
) -> None:
    world.issuer.key = Key("first", algorithm)
    assert (await world.token()).status == 200


async def test_a_token_signed_by_a_stranger_s_key_of_the_same_name_is_refused(world: World) -> None:
    world.issuer.published = [world.issuer.key]
    world.issuer.key = Key(world.issuer.key.kid)
    answer = await world.token()
    assert (answer.status, "signature is wrong" in answer.description) == (503, True)


async def test_the_key_is_chosen_by_its_name_and_not_by_its_place(world: World) -> None:
    world.issuer.published = [Key("other"), Key("another", "RS256"), world.issuer.key]
    assert (await world.token()).status == 200


def forged(world: World, header: dict[str, Any], **options: Any) -> web.Response:
    """An answer with a token that this header makes."""
    now = int(world.clock())
    claims = {"iss": world.issuer.url, "sub": "sub-alice", "aud": LAKE, "scope": OPEN, "exp": now + 60, "iat": now}
    token = jwt.encode(claims, headers=header, **options)
    return web.json_response({"access_token": token, "token_type": "Bearer"})


async def test_unsigned_and_symmetric_tokens_and_such_without_kid_are_refused(world: World) -> None:
    public = urlsafe_b64encode(str(world.issuer.key.public()).encode()).decode()
    private = world.issuer.key.private
    answers = [
        forged(world, {"kid": "es1"}, key=None, algorithm="none"),
        forged(world, {"kid": "es1"}, key=public, algorithm="HS256"),
        forged(world, {}, key=private, algorithm="ES256"),
        forged(world, {"kid": ""}, key=private, algorithm="ES256"),
    ]
    for answer in answers:
        world.issuer.answers = [answer]
        assert (await world.token(scope=OPEN)).status == 503
        assert (await world.state())["reason"] == "AnswerRefused"
    world.issuer.answers = [forged(world, {"kid": "es1"}, key=private, algorithm="ES256")]
    assert (await world.token(scope=OPEN)).status == 200


async def test_a_new_signing_key_is_found_without_a_restart(world: World) -> None:
    await world.token()
    world.clock.pass_by(KEYS_PAUSE)
    world.issuer.key = Key("es2")
    assert (await world.token(audience=world.compute)).status == 200
    assert world.issuer.gets["/jwk"] == 2


async def test_a_new_signing_key_by_the_old_one_s_name_is_found_too(world: World) -> None:
    await world.token()
    world.clock.pass_by(KEYS_PAUSE)
    world.issuer.key = Key(world.issuer.key.kid, "RS256")
    assert (await world.token(audience=world.compute)).status == 200


async def test_tokens_with_unknown_keys_do_not_make_the_broker_hammer_the_issuer(world: World) -> None:
    world.issuer.published = [world.issuer.key]
    world.issuer.key = Key("unpublished")
    for scope in COMPUTE:
        assert (await world.token(audience=world.compute, scope=scope)).status == 503
    assert world.issuer.gets["/jwk"] == 1


async def test_old_keys_serve_while_new_ones_cannot_be_read_but_not_for_ever(world: World) -> None:
    await world.token()
    broken = world.issuer.published = [Broken("es1")]  # type: ignore[list-item]
    world.clock.pass_by(KEYS_KEEP)
    assert (await world.token()).status == 200
    world.clock.pass_by(KEYS_EXPIRE - KEYS_KEEP)
    assert (await world.token()).status == 503
    assert broken[0].asked >= 2


class Broken:
    """A key that cannot be shown."""

    def __init__(self, kid: str) -> None:
        self.kid, self.asked = kid, 0

    def public(self) -> dict[str, Any]:
        """Fails, so that the key set is answered with 500."""
        self.asked += 1
        raise web.HTTPInternalServerError
