"""The broker's numbers say how much is going on, for whom of the VOs, and nothing of any person or token."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from facility.broker.forwarding import MARK
from tests.fakes.broker_world import COMPUTE, World, facility, identity


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        yield made


Scrape = Callable[[], Awaitable[str]]


@pytest.fixture
async def scrape(world: World) -> AsyncIterator[Scrape]:
    """What Prometheus would read now."""
    async with TestClient(TestServer(world.metrics.application())) as client:

        async def read() -> str:
            async with client.get("/metrics") as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                return await answer.text()

        yield read


def value(text: str, name: str, **labels: str) -> float:
    """One number; 0 where nothing has been counted."""
    for line in text.splitlines():
        found = re.fullmatch(rf"facility_broker_{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) == labels:
            return float(found[2])
    return 0


def answers(text: str, path: str, status: int, error: str = "", forwarded: str = "false") -> float:
    return value(text, "answers_total", path=path, status=str(status), error=error, forwarded=forwarded)


async def test_answers_are_counted_by_the_pattern_of_their_path_and_their_error(world: World, scrape: Scrape) -> None:
    await world.sign_in()
    await world.token()
    await world.token()
    await world.token(scope="storage.read:/elsewhere")
    await world.ask("GET", "/sessions/cms-alice", "somebody")
    await world.ask("GET", "/nowhere", None)
    text = await scrape()
    assert answers(text, "/token", 200) == 2
    assert answers(text, "/token", 400, "invalid_scope") == 1
    assert answers(text, "/sessions/{user}", 401, "invalid_client") == 1
    assert answers(text, "other", 404) == 1


async def test_what_another_replica_counts_too_is_told_apart(world: World, scrape: Scrape) -> None:
    for headers in ({MARK: "1"}, {}):
        await world.ask("GET", "/sessions/cms-alice", "hub", headers=headers)
    text = await scrape()
    counted = [answers(text, "/sessions/{user}", 200, forwarded=forwarded) for forwarded in ("true", "false")]
    assert counted == [1, 1]


async def test_sessions_tokens_and_refreshes_are_told_by_vo(world: World, scrape: Scrape) -> None:
    assert value(await scrape(), "shards") == 16
    await world.sign_in()
    await world.token()
    await world.token()
    await world.token(audience=world.compute)
    text = await scrape()
    assert value(text, "cached_tokens") == 2
    assert value(text, "refreshes_total", vo="cms") == 2
    assert value(text, "sessions", vo="cms", state="good", reason="SignedIn") == 1
    world.issuer.grants.clear()
    world.clock.pass_by(3600)
    assert (await world.token()).status == 403
    text = await scrape()
    assert value(text, "sessions", vo="cms", state="good", reason="SignedIn") == 0
    assert value(text, "sessions", vo="cms", state="dead", reason="SignInAgain") == 1
    assert value(text, "cached_tokens") == 0


async def test_nobody_s_name_and_nothing_of_a_token_is_in_them(world: World, scrape: Scrape) -> None:
    refresh = await world.sign_in("alice", groups=("/cms/analysis",))
    given = await world.token()
    thing = identity("alice-pod")
    await world.ask("GET", f"/sessions/{thing}", "hub")
    await world.ask("GET", f"/{thing}?token={refresh}", "alice-pod")
    await world.token(thing, thing, scope=thing)
    await world.ask("POST", "/token", None, data={"grant_type": thing, "subject_token": refresh})
    text = await scrape()
    for word in ("alice", "sub-", "eyJ", 'analysis"', refresh, given.body["access_token"], *COMPUTE):
        assert word not in text
    assert set(re.findall(r'[{,](\w+)="', text)) == {"path", "status", "error", "forwarded", "vo", "state", "reason"}
