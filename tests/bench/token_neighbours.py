"""`python -m tests.bench.token_neighbours DIRECTORY`: what stands around a broker that is measured, in small.

An API server, an issuer, the VO `cms` and its access point and hub. Where they are is written to `neighbours.json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from aiohttp import web

from tests.fakes.authority import Authority
from tests.fakes.broker_world import World, identity


async def stand(directory: Path) -> None:
    """Until the process is ended."""
    world = World(Authority(directory), directory)
    world.clock = world.issuer.now = time.time  # type: ignore[assignment]
    async with world.neighbours():
        for number in range(int((directory / "people").read_text())):
            world.add_pod(f"pod-{number}", f"cms-p{number}")
        found = {"api": world._api_url, "issuer": world.issuer.url, "hub": identity("hub"), "ap": identity("ap")}
        world.authority.write(directory / "tls", "127.0.0.1")
        (directory / "neighbours.tmp").write_text(json.dumps(found))
        (directory / "neighbours.tmp").rename(directory / "neighbours.json")
        await asyncio.Event().wait()


if __name__ == "__main__":
    web.GracefulExit.code = 0
    asyncio.run(stand(Path(sys.argv[1])))
