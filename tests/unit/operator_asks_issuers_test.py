"""What the operator finds out about issuers, over TLS that is always checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from facility.operator.discovery import Discovery
from facility.operator.lookout import Lookout
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock
from tests.fakes.operator_world import Issuers


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def issuers(authority: Authority) -> AsyncIterator[Issuers]:
    made = Issuers()
    await made.server.start_server(ssl=authority.server("127.0.0.1"))
    yield made
    await made.server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def discovery(authority: Authority) -> AsyncIterator[Discovery]:
    made = Discovery(authority.client(), fresh=60, retry=15, limit=2)
    yield made
    await made.close()


async def test_an_issuer_is_read_with_its_keys(issuers: Issuers, discovery: Discovery) -> None:
    url = issuers.url("cms")
    found = await discovery.ask(url)
    assert (found.issuer, found.keys, found.error, found.seen) == (url, 1, "", True)


async def test_keys_for_encryption_or_of_another_kind_do_not_count(issuers: Issuers, discovery: Discovery) -> None:
    issuers.keys["cms"] = [{"kty": "RSA", "use": "enc"}, {"kty": "oct"}, {"kty": "EC"}]
    assert (await discovery.ask(issuers.url("cms"))).keys == 1


async def test_good_answers_are_remembered_longer_than_bad_ones(
    issuers: Issuers, discovery: Discovery, clock: Clock
) -> None:
    issuers.down.add("bad")
    lookout = Lookout(discovery.ask, discovery.life, lambda _: None, clock)
    lookout.want("a", frozenset({issuers.url("good"), issuers.url("bad")}))
    await lookout.once()
    clock.pass_by(20)
    await lookout.once()
    assert sorted(issuers.asked) == ["bad", "bad", "good"]
    clock.pass_by(60)
    await lookout.once()
    assert sorted(issuers.asked) == ["bad", "bad", "bad", "good", "good"]


async def test_an_issuer_that_was_good_is_known_to_have_been(issuers: Issuers, discovery: Discovery) -> None:
    url = issuers.url("cms")
    before = await discovery.ask(url)
    issuers.down.add("cms")
    found = await discovery.ask(url, before)
    assert found.seen
    assert "503" in found.error


async def test_an_untrusted_certificate_is_told_as_such(issuers: Issuers, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Discovery(Authority(tmp_path / "other").client())
    found = await stranger.ask(issuers.url("cms"))
    await stranger.close()
    assert "TLS certificate is not accepted" in found.error


async def test_nothing_listening_is_told_as_such(discovery: Discovery, unused_tcp_port: int) -> None:
    url = f"https://127.0.0.1:{unused_tcp_port}/"
    assert "Connect" in (await discovery.ask(url)).error


@pytest.mark.parametrize("url", ["https://a..b/", f"https://{'a' * 70}.org/", "https://a.org:99999/", "https://[::1"])
async def test_a_url_that_leads_nowhere_is_told_as_such(url: str, discovery: Discovery) -> None:
    assert (await discovery.ask(url)).error


async def test_a_slow_issuer_is_given_up_and_holds_up_no_other(
    issuers: Issuers, authority: Authority, clock: Clock
) -> None:
    hung = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await hung.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", hang)
    slow = TestServer(app, scheme="https", host="127.0.0.1")
    await slow.start_server(ssl=authority.server("127.0.0.1"))
    discovery = Discovery(authority.client(), limit=0.2)
    url = f"https://127.0.0.1:{slow.port}/"
    lookout = Lookout(discovery.ask, discovery.life, lambda _: None, clock)
    lookout.want("a", frozenset({url, issuers.url("cms")}))
    await lookout.once()
    found = lookout.answers("a")
    await discovery.close()
    hung.set()
    await slow.close()
    assert found[url].error == "no answer within 0.2 s"
    assert found[issuers.url("cms")].keys == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<html>", "did not answer with JSON"),
        ("[]", "did not answer with a JSON object"),
        ("[" * 200_000, "did not answer with JSON"),
        ('{"issuer": 1}', "lacks an issuer or an https jwks_uri"),
        ('{"issuer": "https://a", "jwks_uri": "http://a/jwks"}', "lacks an issuer or an https jwks_uri"),
    ],
)
async def test_an_answer_that_is_no_discovery_document_is_told(
    authority: Authority, discovery: Discovery, body: str, told: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=authority.server("127.0.0.1"))
    url = f"https://127.0.0.1:{server.port}"
    found = await discovery.ask(url)
    await server.close()
    assert told in found.error
