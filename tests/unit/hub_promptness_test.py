"""A server that starts is seen as soon as it takes connections, and is not waited for endlessly."""

from __future__ import annotations

import asyncio
import socket

from facility.hub.promptness import until_reached


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


async def test_a_server_is_seen_once_it_takes_connections() -> None:
    port = _free()
    seen = asyncio.create_task(until_reached(f"http://127.0.0.1:{port}/user/cms-alice/", pause=0.001))
    await asyncio.sleep(0.05)
    assert not seen.done()
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    async with server:
        assert await seen


async def test_a_server_that_does_not_come_is_left_to_the_hub() -> None:
    assert not await until_reached(f"http://127.0.0.1:{_free()}/", seconds=0.05, pause=0.001)


async def test_a_name_that_is_not_known_yet_is_asked_for_again() -> None:
    assert not await until_reached("http://not-there.invalid:1/", seconds=0.05, pause=0.001)
