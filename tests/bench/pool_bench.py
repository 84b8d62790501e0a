"""`make bench PART=pool`: how soon jobs start, how many in a second, dask, and how the pool follows demand.

P5: submit to start, with a pod there and from none. P6: 1,000 jobs that do nothing, on as many slots as the peer has.
P11: the demo's analysis of larger files by dask on the pool. The peer is a personal HTCondor of the same image, in the
same run. How demand is followed with 100,000 idle jobs is simulated, without a cluster:

    python3 -m tests.bench.pool_demand

measures that alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from facility.dev.demo import place
from facility.dev.demo.mainjob import Stage
from tests.bench import pool_dask, pool_demand, pool_rate, pool_start
from tests.bench.figures import Row, publish, table
from tests.bench.pool_peer import Peer, peer
from tests.bench.pool_person import Ours, allow, ours

pytestmark = pytest.mark.cluster
Part = Callable[[Ours, Peer], Awaitable[dict[str, Row]]]


def test_the_pool_is_fast_and_meets_its_goals() -> None:
    stage = place.stage()
    rows = pool_demand.measured()
    rows |= asyncio.run(beside_a_personal_pool(stage))
    rows |= asyncio.run(pool_dask.measured(stage))
    publish("pool", rows)


async def beside_a_personal_pool(stage: Stage) -> dict[str, Row]:
    """P5 and P6, with one execute pod at most: as many slots as the peer has."""
    rows: dict[str, Row] = {}
    parts: tuple[Part, ...] = (pool_start.measured, pool_rate.measured)
    async with ours(stage) as mine, peer(stage) as other:
        await mine.without_pods()
        await asyncio.to_thread(allow, stage, maxExecutePods=1)
        try:
            for part in parts:
                rows |= await part(mine, other)
                print("\n" + table(rows), flush=True)  # should a later part fail, these figures are not lost
        finally:
            await asyncio.to_thread(allow, stage)
    return rows
