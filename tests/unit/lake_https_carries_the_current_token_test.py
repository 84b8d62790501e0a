"""https:// through fsspec: the lake sees the token of the moment, and nobody else sees any."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from facility.lake.https import CONNECTIONS_PER_HOST, LakeHTTPFileSystem
from facility.tokens.discovery import InvalidTokenError
from tests.fakes.authority import Authority
from tests.fakes.lake_server import LakeServer, serving

LAKE, FOREIGN = "localhost", "127.0.0.1"
Open = Callable[..., Any]


@dataclass
class TokenFile:
    """What the agent would do to the file."""

    path: Path

    def becomes(self, text: str) -> None:
        self.path.write_text(text)

    def goes(self) -> None:
        self.path.unlink()


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenFile:
    """The token file of a pod whose lake is the host `localhost`."""
    path = tmp_path / "lake"
    path.write_text("first.token")
    monkeypatch.delenv("BEARER_TOKEN", raising=False)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(path))
    monkeypatch.setenv("LAKE_HOSTS", f"xcache-cms.facility.svc {LAKE}")
    return TokenFile(path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest_asyncio.fixture
async def server(authority: Authority) -> AsyncIterator[LakeServer]:
    async with serving(authority) as made:
        yield made


@pytest_asyncio.fixture
async def filesystem(token: TokenFile, authority: Authority) -> AsyncIterator[Open]:
    """Makes filesystems in this test's loop, and closes their sessions."""
    sessions = []

    async def make(**options: Any) -> LakeHTTPFileSystem:
        made = LakeHTTPFileSystem(asynchronous=True, skip_instance_cache=True, ssl=authority.client(), **options)
        sessions.append(await made.set_session())
        return made

    yield make
    for session in sessions:
        await session.close()


async def test_each_request_to_the_lake_carries_the_token_of_its_moment(
    filesystem: Open, server: LakeServer, token: TokenFile
) -> None:
    lake = await filesystem()
    assert await lake._cat_file(server.url(LAKE)) == b"events"
    token.becomes("second.token\n")
    await lake._cat_file(server.url(LAKE))
    assert [seen[2] for seen in server.seen] == ["Bearer first.token", "Bearer second.token"]


async def test_another_host_sees_no_token(filesystem: Open, server: LakeServer) -> None:
    await (await filesystem())._cat_file(server.url(FOREIGN))
    assert server.seen == [(FOREIGN, "/file", "")]


async def test_a_redirect_out_of_the_lake_leaves_the_token_behind(filesystem: Open, server: LakeServer) -> None:
    await (await filesystem())._cat_file(server.url(LAKE, f"/to?url={server.url(FOREIGN)}"))
    assert server.seen == [(LAKE, "/to", "Bearer first.token"), (FOREIGN, "/file", "")]


async def test_a_redirect_into_the_lake_shows_the_token_there_only(filesystem: Open, server: LakeServer) -> None:
    await (await filesystem())._cat_file(server.url(FOREIGN, f"/to?url={server.url(LAKE)}"))
    assert server.seen == [(FOREIGN, "/to", ""), (LAKE, "/file", "Bearer first.token")]


async def test_a_redirect_within_the_lake_shows_it_on_both_hops(filesystem: Open, server: LakeServer) -> None:
    await (await filesystem())._cat_file(server.url(LAKE, f"/to?url={server.url(LAKE)}"))
    assert [seen[2] for seen in server.seen] == ["Bearer first.token"] * 2


async def test_a_header_of_the_users_own_is_left_as_it_is(filesystem: Open, server: LakeServer) -> None:
    lake = await filesystem(headers={"Authorization": "Bearer my.own"})
    await lake._cat_file(server.url(LAKE))
    assert server.seen[0][2] == "Bearer my.own"


async def test_an_exception_shows_no_token(filesystem: Open, server: LakeServer) -> None:
    lake = await filesystem()
    with pytest.raises(Exception, match="403") as caught:
        await lake._cat_file(server.url(LAKE, "/forbidden"))
    assert server.seen[0][2] == "Bearer first.token"
    assert "first.token" not in repr(caught.value) + str(caught.value) + repr(vars(caught.value))


async def test_a_missing_token_is_named_before_the_lake_is_asked(
    filesystem: Open, server: LakeServer, token: TokenFile
) -> None:
    lake = await filesystem()
    token.goes()
    with pytest.raises(InvalidTokenError, match=str(token.path)):
        await lake._cat_file(server.url(LAKE))
    assert server.seen == []


async def test_other_hosts_are_read_without_any_token_file(
    filesystem: Open, server: LakeServer, token: TokenFile
) -> None:
    lake = await filesystem()
    token.goes()
    assert await lake._cat_file(server.url(FOREIGN)) == b"events"


async def test_many_reads_at_once_share_a_few_connections(filesystem: Open, server: LakeServer) -> None:
    lake = await filesystem()
    await asyncio.gather(*(lake._cat_file(server.url(LAKE, "/slow")) for _ in range(40)))
    assert 1 < server.most <= CONNECTIONS_PER_HOST


def test_a_pickled_filesystem_holds_no_token_and_its_class_by_name(token: TokenFile) -> None:
    pickled = pickle.dumps(LakeHTTPFileSystem(skip_instance_cache=True))
    assert b"first.token" not in pickled
    assert type(pickle.loads(pickled)) is LakeHTTPFileSystem
