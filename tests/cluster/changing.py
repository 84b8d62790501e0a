"""Changing what a VO's issuer says of its people, while it runs."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Stage
from facility.dev.demo.material import administrator
from facility.dev.demo.person import OneAddress
from facility.dev.demo.secrets import ADMINISTRATOR


def change(stage: Stage, vo: world.DemoVO, login: str, **what: Any) -> None:
    """Change a person at the VO's issuer while it runs."""
    with ThreadPoolExecutor(1) as apart:  # a test with a browser has an event loop in its own thread already
        apart.submit(asyncio.run, _change(stage, vo, login, what)).result()


async def _change(stage: Stage, vo: world.DemoVO, login: str, what: dict[str, Any]) -> None:
    trust = ssl.create_default_context(cadata=stage.bundle)
    connector = aiohttp.TCPConnector(resolver=OneAddress(stage.address), ssl=trust)
    secret = place.material().clients[administrator(vo.name)]
    who = {"Authorization": aiohttp.encode_basic_auth(ADMINISTRATOR, secret)}
    url = f"{vo.issuer}admin/people/{login}"
    async with aiohttp.ClientSession(connector=connector) as http, http.patch(url, json=what, headers=who) as answer:
        assert answer.status == 200, await answer.text()
    await asyncio.sleep(0.25)  # aiohttp cannot wait for the end of TLS (its documentation, Graceful Shutdown)
