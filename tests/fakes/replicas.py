"""Several replicas of the broker in one facility, each asked by itself."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp.test_utils import TestServer

from facility.broker import reading
from facility.broker.access_log import AccessLog
from facility.broker.leases import Me, Terms
from facility.broker.parts import Broker, Surroundings
from facility.broker.shards import SHARDS
from tests.fakes.authority import Authority
from tests.fakes.broker_world import SITE, World, eventually
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port

#: of replicas that are not lost, however slow the machine is; and of those that are, and whose loss a test waits for
SURE, SHORT = Terms(period=0.05, deadline=600, life=720), Terms(period=0.05, deadline=3.0, life=3.3)
ALICE = "cms-alice"
TIMEOUT = 1.0  # seconds of a request to the issuer under short terms: well below their deadline


@asynccontextmanager
async def replica(world: World, pod: str, terms: Terms = SURE) -> AsyncIterator[World]:
    """The same facility, asked through a replica of its own."""
    port = free_port()
    mine = copy.copy(world)
    async with AsyncExitStack() as stack:
        kubernetes = world.connect()
        stack.push_async_callback(kubernetes.close)
        around = Surroundings(
            SITE,
            kubernetes,
            lambda: world._trust,
            world.keys,
            world.clock,
            TIMEOUT if terms is SHORT else PATIENCE,
            pulse=world.clock,
            me=Me(pod, f"127.0.0.1:{port}"),
            terms=terms,
        )
        mine.broker = Broker(around)
        await stack.enter_async_context(mine.broker.run())
        server = TestServer(mine.broker.application(), scheme="https", host="127.0.0.1", port=port)
        tls = world.authority.server("127.0.0.1", "broker.facility.svc")
        await server.start_server(ssl=tls, access_log_class=AccessLog, **reading.LIMITS)
        stack.push_async_callback(server.close)
        mine._broker_url = str(server.make_url("")).rstrip("/")
        await asyncio.wait_for(mine.broker.vo_mirror.synced.wait(), PATIENCE)
        yield mine


@asynccontextmanager
async def two(directory: Path, terms: Terms = SURE) -> AsyncIterator[tuple[World, World]]:
    """A facility with two replicas that have shared everybody out: the one that holds alice's shard comes first."""
    world = World(Authority(directory), directory)
    pods = [replica(world, pod, terms) for pod in ("broker-a", "broker-b")]
    async with world.neighbours(), pods[0] as one, pods[1] as other:
        await eventually(lambda: {len(each.broker.holding.shards) for each in (one, other)} == {SHARDS // 2})
        await eventually(lambda: all(each.broker.holding.address(ALICE) or here(each) for each in (one, other)))
        yield (one, other) if here(one) else (other, one)


def here(world: World, owner: str = ALICE) -> bool:
    """Whether this replica answers for the owner."""
    return world.broker.holding.held(owner)
