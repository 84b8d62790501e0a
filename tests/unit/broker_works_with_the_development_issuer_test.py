"""The broker against the development issuer, which answers as a recorded INDIGO IAM does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes import issuer
from tests.fakes.broker_world import LAKE, World, eventually, facility

SCOPES = ("storage.read:/",)
COMPUTE = ("compute.read", "compute.create")


@pytest.fixture(scope="module")
def signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, clear).decode()


@pytest.fixture
def iam(tmp_path: Path, signing_key: str) -> Iterator[issuer.Running]:
    (tmp_path / "iam").mkdir()
    with issuer.serving(tmp_path / "iam", signing_key) as running:
        yield running


@pytest.fixture(params=["hub", "rotating"])
async def world(tmp_path: Path, iam: issuer.Running, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    client = {"hub": issuer.HUB, "rotating": issuer.ROTATING}[request.param]
    async with facility(tmp_path) as made:
        made.trust(iam.bundle)
        lake = {"prefix": "/iam", "origin": LAKE, "audience": LAKE, "scopes": SCOPES, "cacheScopes": SCOPES}
        made.add_vo("iam", issuer=f"{iam.url}/", lakes=[lake], batch={"scopes": COMPUTE})
        made.set_client("iam", str(client.client_secret), client.client_id)
        made.add_pod("pod", "iam-alice")
        made.add_account("cache", "facility", "xcache-iam")
        await eventually(lambda: "iam" in made.broker.vos._vos)
        answer = await asyncio.to_thread(iam.sign_in, client=client)
        scopes = tuple(answer["scope"].split())
        handed = await made.hand_over("alice", answer["refresh_token"], scopes, vo="iam", sub=issuer.ALICE.sub)
        assert handed.status == 201
        yield made


async def test_each_audience_gets_its_own_narrow_token_again_and_again(world: World, iam: issuer.Running) -> None:
    for _ in range(3):
        lake, compute = await world.token("pod"), await world.token("pod", world.compute)
        assert (lake.status, compute.status) == (200, 200)
        found = issuer.claims(lake.body["access_token"])
        assert (found["aud"], found["scope"], found["sub"]) == (LAKE, "storage.read:/", issuer.ALICE.sub)
        assert set(issuer.claims(compute.body["access_token"])["scope"].split()) == set(COMPUTE)
        world.clock.pass_by(3600)
        iam.clock.at = world.clock.now


async def test_the_cache_gets_a_token_of_the_client(world: World) -> None:
    answer = await world.token("cache")
    assert (answer.status, answer.body["scope"]) == (200, "storage.read:/")


async def test_a_session_that_was_signed_out_is_over_at_the_issuer_too(world: World) -> None:
    assert (await world.token("pod")).status == 200
    assert (await world.ask("DELETE", "/sessions/iam-alice", "hub")).status == 204
    assert (await world.token("pod")).error == "interaction_required"


async def test_a_refresh_token_that_has_expired_is_a_dead_session(world: World, iam: issuer.Running) -> None:
    world.clock.pass_by(40 * 86400)
    iam.clock.at = world.clock.now
    assert (await world.token("pod")).error == "interaction_required"
    assert (await world.state("iam-alice"))["state"] == "dead"
