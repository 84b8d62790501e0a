"""Whatever comes instead of a token: refused at once, the session stays, and no log holds what could be replayed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from facility.broker.transport import LARGEST
from tests.fakes.broker_world import LAKE, OPEN, World, facility

SECRET = "bytes-that-nobody-may-see"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        yield made


def claims(world: World, **change: Any) -> dict[str, Any]:
    """Those of the token that is asked for, but for the change."""
    now = int(world.clock())
    found = {"iss": world.issuer.url, "sub": "sub-alice", "aud": LAKE, "scope": OPEN, "exp": now + 3600, "jti": SECRET}
    return found | change


def answer(token: Any, **change: Any) -> web.Response:
    return web.json_response({"access_token": token, "token_type": "Bearer"} | change)


def signed(world: World, header: dict[str, Any] | None = None, **change: Any) -> str:
    """A token by the issuer's own key."""
    return world.issuer.sign(claims(world, **change), **(header or {}))


def part(value: Any) -> str:
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode().rstrip("=")


def by_public_key(world: World) -> str:
    """HS256, the published key taken for a shared secret."""
    public = world.issuer.key.private.public_key()
    kind, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    head, body = part({"alg": "HS256", "kid": "es1"}), part(claims(world))
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{head}.{body}.{part(mac.sign(f'{head}.{body}'.encode(), public.public_bytes(kind, form)))}"


def nested(world: World) -> str:
    """A signed token in a signed token."""
    key = world.issuer.key
    return jwt.PyJWS().encode(signed(world).encode(), key.private, key.algorithm, {"kid": key.kid, "cty": "JWT"})


TOKENS: dict[str, Callable[[World], Any]] = {
    "giant": lambda world: signed(world, more=SECRET * 4000),
    "empty": lambda _: "",
    "a number": lambda _: 17,
    "no JWT": lambda _: SECRET,
    "three parts of nothing": lambda _: "..",
    "not UTF-8": lambda _: f"{part(bytes(range(256)))}.{part(SECRET)}.x",
    "an array in an array in an array": lambda _: f"{part({'alg': 'ES256'})}.{part(b'[' * 9000)}.x",
    "alg none": lambda world: f"{part({'alg': 'none', 'kid': 'es1'})}.{part(claims(world))}.",
    "HS256 with the public key": by_public_key,
    "a key that nobody knows": lambda world: signed(world, {"kid": "other"}),
    "no kid": lambda world: signed(world, {"kid": ""}),
    "kid is an array": lambda world: f"{part({'alg': 'ES256', 'kid': ['es1']})}.{part(claims(world))}.x",
    "a logout token": lambda world: signed(world, {"typ": "logout+jwt"}),
    "critical extensions": lambda world: f"{part({'alg': 'ES256', 'kid': 'es1', 'crit': ['x']})}.{part({})}.x",
    "nested": nested,
    "signature cut off": lambda world: signed(world).rpartition(".")[0] + ".",
    "claims changed": lambda world: signed(world).replace(".", f".{part({'sub': 'sub-bob'})}", 1),
    "1 MB of scopes": lambda world: signed(world, scope=" ".join(f"storage.read:/{n}" for n in range(60_000))),
    "scope is an array": lambda world: signed(world, scope=[OPEN]),
    "exp is infinite": lambda world: signed(world, exp=float("inf")),
    "exp is no number": lambda world: signed(world, exp=float("nan")),
    "exp is text": lambda world: signed(world, exp="tomorrow"),
    "aud is an object": lambda world: signed(world, aud={LAKE: True}),
}

ANSWERS: dict[str, Callable[[World], web.Response]] = {
    **{name: lambda world, make=make: answer(make(world)) for name, make in TOKENS.items()},
    "nothing": lambda _: web.Response(),
    "an array": lambda _: web.json_response([SECRET]),
    "an array in an array": lambda _: web.Response(body=b"[" * 100_000, content_type="application/json"),
    "text that would be an answer": lambda world: web.Response(
        text=json.dumps({"access_token": signed(world), "token_type": "Bearer"}), content_type="text/plain"
    ),
    "another kind of token": lambda world: answer(signed(world), token_type="mac"),
    "refresh_token is an object": lambda world: answer(signed(world), refresh_token={"value": SECRET}),
    "more than a megabyte": lambda _: web.Response(body=SECRET.encode() * (LARGEST // 20)),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_it_is_refused_at_once_and_said_nowhere(
    world: World, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = (await world.token()).body["access_token"]
    world.issuer.answers = [ANSWERS[kind](world)]
    began = time.process_time()
    found = await world.token(scope=OPEN)
    assert time.process_time() - began < 0.5
    assert (found.status, found.error) == (503, "temporarily_unavailable")
    assert len(found.description) < 600
    said = caplog.text + found.description + str(world.api.objects["/" + "/".join(PERSON)].get("status"))
    assert SECRET not in said
    assert part({"iss": world.issuer.url})[:20] not in said  # the beginning of every such token's claims
    assert (await world.token()).body["access_token"] == good
    world.clock.pass_by(2)
    assert (await world.token(scope=OPEN)).status == 200
    assert await world.state() == {"state": "good", "reason": "SignedIn"}


PERSON = ("apis", "analysis-facility.io", "v1alpha1", "namespaces", "facility", "facilityusers", "cms-alice")


async def test_the_token_of_a_strange_answer_is_refused_and_the_new_refresh_token_kept(world: World) -> None:
    old = next(iter(world.issuer.grants))
    new = world.issuer.grant("sub-alice", *world.issuer.grants.pop(old).scopes)
    text = json.dumps({"access_token": signed(world), "token_type": "Bearer", "refresh_token": new})
    world.issuer.answers = [web.Response(text=text, content_type="text/plain")]
    assert (await world.token()).status == 503
    assert (await world.token()).status == 200


async def test_an_answer_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        world.issuer_timeout = 0.2
        async with world.running_broker():
            await world.sign_in()
            endless = Endless()
            world.issuer.answers = [endless]
            assert (await world.token()).status == 503
            endless.enough.set()
            world.clock.pass_by(1)
            assert (await world.token()).status == 200


class Endless(web.StreamResponse):
    """One byte, and then nothing for a long time."""

    def __init__(self) -> None:
        super().__init__(headers={"Content-Type": "application/json"})
        self.enough = asyncio.Event()

    async def write_eof(self, data: bytes = b"") -> None:
        """Called by the server when it is to be all."""
        await self.write(b" ")
        await self.enough.wait()
        await super().write_eof(data)


@pytest.mark.parametrize(
    "keys",
    [
        [{"kty": "EC", "kid": "es1"}],
        [{"kty": "EC", "kid": "es1", "crv": "P-256", "x": 5, "y": None}],
        [{"kty": "RSA", "kid": "es1", "n": "AQ", "e": "AQ"}],
        [{"kty": "oct", "kid": "es1", "k": "AQAB"}],
        [None, 5, [], {"kid": {}}],
        "keys",
    ],
)
async def test_a_key_set_of_nonsense_lets_nothing_through(world: World, keys: Any) -> None:
    world.issuer.published = Nonsense(keys)  # type: ignore[assignment]
    found = await world.token()
    assert (found.status, found.error) == (503, "temporarily_unavailable")
    world.issuer.published = None
    world.clock.pass_by(60)
    assert (await world.token()).status == 200


class Nonsense:
    """Iterates as the issuer's keys, and is shown as it stands."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys

    def __iter__(self) -> Any:
        return iter([Shown(key) for key in self._keys])


class Shown:
    def __init__(self, key: Any) -> None:
        self._key = key

    def public(self) -> Any:
        """The key."""
        return self._key
