"""A URL of a storage that holds the lake, as Rucio gives them, is read at the VO's cache, unless that is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from facility.lake.https import LakeHTTPFileSystem
from facility.lake.reach import Reach
from facility.storages import at_cache, origins
from tests.fakes.authority import Authority
from tests.fakes.lake_server import LakeServer, serving
from tests.fakes.ports import free_port

CACHE, STORAGE = "localhost", "127.0.0.1"
AROUND = {
    "LAKE_HTTPS": "https://xcache-cms.facility.svc:1094",
    "LAKE_PREFIXES": "/cms /sim",
    "LAKE_ORIGINS": "https://se.example.org:8443,root://old.example.org root://[2001:db8::1]:1095",
}


def test_each_lake_has_its_storages() -> None:
    assert list(origins(AROUND)) == [
        ("/cms", "se.example.org"),
        ("/cms", "old.example.org"),
        ("/sim", "2001:db8::1"),
    ]


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("https://se.example.org:8443/cms/f.root", "/cms/f.root"),
        ("https://se.example.org/cms/f.root?x=1", "/cms/f.root?x=1"),
        ("https://old.example.org//cms/f%20g", "/cms/f%20g"),
        ("https://[2001:db8::1]/sim/f", "/sim/f"),
    ],
)
def test_a_file_of_the_lake_is_the_caches_wherever_it_is_named(url: str, there: str) -> None:
    assert at_cache(url, AROUND) == f"https://xcache-cms.facility.svc:1094{there}"


@pytest.mark.parametrize(
    "url",
    [
        "https://se.example.org/cmsx/f",
        "https://se.example.org/sim/f",
        "https://other.example.org/cms/f",
        "https://xcache-cms.facility.svc:1094/cms/f",
        "http://se.example.org/cms/f",
        "/cms/f",
    ],
)
def test_all_else_stays_where_it_is(url: str) -> None:
    assert at_cache(url, AROUND) is None
    assert at_cache(url, {}) is None


@pytest_asyncio.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[LakeServer, Authority]]:
    """Cache and storage in one, told apart by the name by which they are asked."""
    authority, token = Authority(tmp_path), tmp_path / "lake"
    token.write_text("my.token")
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(token))
    monkeypatch.setenv("LAKE_PREFIXES", "/file")
    monkeypatch.setenv("LAKE_HOSTS", CACHE)
    monkeypatch.setenv("LAKE_ORIGINS", f"https://{STORAGE}:1")
    async with serving(authority) as made:
        monkeypatch.setenv("LAKE_HTTPS", made.url(CACHE, ""))
        yield made, authority


async def read(server: LakeServer, authority: Authority) -> None:
    lake = LakeHTTPFileSystem(asynchronous=True, skip_instance_cache=True, ssl=authority.client())
    session = await lake.set_session()
    assert await lake._cat_file(server.url(STORAGE)) == b"events"
    await session.close()


async def test_the_cache_is_asked_instead_of_the_storage(server: tuple[LakeServer, Authority]) -> None:
    await read(*server)
    assert server[0].seen == [(CACHE, "/file", "Bearer my.token")]


async def test_the_storage_is_asked_while_the_cache_is_away(
    server: tuple[LakeServer, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_HTTPS", f"https://{CACHE}:{free_port()}")
    await read(*server)
    assert server[0].seen == [(STORAGE, "/file", "Bearer my.token")]


async def test_a_cache_that_comes_back_is_seen_soon(server: tuple[LakeServer, Authority]) -> None:
    now = [0.0]
    reach, port = Reach(lambda: now[0]), free_port()
    assert not reach.there(f"https://{CACHE}:{port}")
    assert reach.there(server[0].url(CACHE))
    reach._known[f"{CACHE}:{server[0].port}"] = (0.0, False)
    assert not reach.there(server[0].url(CACHE))
    now[0] = 5.1
    assert reach.there(server[0].url(CACHE))


async def test_where_neither_can_be_reached_the_cache_is_waited_for(
    server: tuple[LakeServer, Authority], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = f"https://{CACHE}:{free_port()}"
    monkeypatch.setenv("LAKE_HTTPS", cache)
    monkeypatch.setenv("LAKE_ORIGINS", f"https://{STORAGE}:1")
    lake = LakeHTTPFileSystem(asynchronous=True, skip_instance_cache=True)
    assert str(lake.encode_url(f"https://{STORAGE}:{free_port()}/file")) == f"{cache}/file"
