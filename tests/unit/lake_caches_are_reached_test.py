"""`helm test` of the caches: a good one proves its name and refuses whoever has no token."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from facility.lake.reach import trouble
from tests.fakes import lake_server, token_broker
from tests.fakes.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_a_cache_that_refuses_a_stranger_is_well(authority: Authority) -> None:
    with token_broker.serving(authority, token_broker.TokenBroker()) as refusing:
        assert trouble("127.0.0.1", port(refusing.url), authority.client) == ""


async def test_a_cache_that_serves_a_stranger_is_in_trouble(authority: Authority) -> None:
    async with lake_server.serving(authority) as open_to_all:
        told = await asyncio.to_thread(trouble, "localhost", open_to_all.port, authority.client)
    assert told == "answered 200 to a read without token; it should refuse"


def test_a_certificate_of_another_name_is_trouble(authority: Authority) -> None:
    with token_broker.serving(authority, token_broker.TokenBroker()) as named_otherwise:
        assert "certificate verify failed" in trouble("localhost", port(named_otherwise.url), authority.client)


def test_a_cache_that_nobody_serves_is_trouble(authority: Authority) -> None:
    assert trouble("127.0.0.1", 1, authority.client).startswith("cannot be reached")
