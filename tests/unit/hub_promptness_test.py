"""A server that starts is seen as soon as it takes connections, and is not waited for endlessly."""

from __future__ import annotations

import asyncio
import socket

import pytest

from facility.hub.promptness import Promptness
from tests.fakes.clock import Clock
from tests.fakes.ports import free_port

NOTHING = 0.001


async def test_a_server_is_seen_once_it_takes_connections() -> None:
    port = free_port()
    seen = asyncio.create_task(Promptness(60, pause=NOTHING).until_reached(f"http://127.0.0.1:{port}/user/cms-alice/"))
    await asyncio.sleep(0.05)
    assert not seen.done()
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port):
        assert await seen


async def test_what_is_looked_for_is_seen_at_the_next_look() -> None:
    answers = iter([False, False, True])
    assert await Promptness(60, pause=NOTHING).until(lambda: next(answers))


async def test_a_server_that_does_not_come_is_left_to_the_hub() -> None:
    assert not await Promptness(0.1, pause=NOTHING).until_reached(f"http://127.0.0.1:{free_port()}/")


async def test_a_name_that_is_not_known_yet_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def unknown(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert not await Promptness(0.2, pause=NOTHING).until_reached("http://not-there.invalid:1/")
    assert len(asked) > 1


def test_the_first_seconds_take_no_more_than_half_of_the_time_that_a_start_has() -> None:
    for limit, first in ((300.0, 10.0), (6.0, 3.0)):
        clock = Clock()
        promptness = Promptness(limit, clock)
        clock.pass_by(first - 0.1)
        assert not promptness.over
        clock.pass_by(0.1)
        assert promptness.over


async def test_a_connection_that_nobody_answers_is_given_up_for_the_next() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the queue of one is full now: no answer to a second
            seen = asyncio.create_task(Promptness(60, pause=NOTHING).until_reached(f"http://127.0.0.1:{port}/"))
            await asyncio.sleep(0.4)
            assert not seen.done()
            full.accept()[0].close()
            assert await asyncio.wait_for(seen, 0.5)
