"""P5: from the submit to the job's first instant, with an execute pod there and with none, in turns with the peers.

Each figure is a ratio of medians. The peers of a job that finds its pod are jobs of the personal pool, sent with their
files as ours are; beside it stands what that pool needs where files need not be sent. The peer of a job that finds no
pod is a pod without anything: asked for at the API server, until its program begins.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Awaitable, Callable, Sequence

from tests.bench.figures import Row, row
from tests.bench.pool_peer import Peer
from tests.bench.pool_person import Ours

WARM, ZERO, WHOLE = 15, 8, 3
PAUSE = 3.0
Measure = Callable[[], Awaitable[float]]


async def measured(ours: Ours, peer: Peer) -> dict[str, Row]:
    """The rows of P5."""
    zero = await in_turns([lambda: _from_zero(ours), peer.bare_pod], ZERO)
    whole = await in_turns([peer.pod_with_a_pool], WHOLE)
    warm = await in_turns([lambda: _warm(ours), lambda: _start(peer), lambda: _start(peer, spool=False)], WARM)
    return figures(zero, whole, warm)


def figures(zero: Sequence[float], whole: Sequence[float], warm: Sequence[float]) -> dict[str, Row]:
    """Rows of medians. zero: ours, a bare pod; whole: a pod with a pool in it; warm: ours, the peer's, its own way."""
    cold, bare = zero
    mine, sent, natural = warm
    beside = f"a bare pod: {bare:.2f} s; a pod that starts a personal pool and its job: {whole[0]:.2f} s"
    warmed = f"personal pool: {sent:.2f} s, {natural:.2f} s where no files are sent"
    return {
        "P5_warm": row(round(mine / sent, 2), "x", 1.1, warmed),
        "P5_warm_s": row(round(mine, 2), "s", beside=warmed),
        "P5_warm_over_unsent": row(round(mine / natural, 2), "x", beside=warmed),
        "P5_zero": row(round(cold / bare, 2), "x", 1.5, beside),
        "P5_zero_s": row(round(cold, 2), "s", beside=beside),
        "P5_zero_over_whole": row(round(cold / whole[0], 2), "x", beside=beside),
    }


async def in_turns(measures: Sequence[Measure], rounds: int, pause: float = PAUSE) -> list[float]:
    """The median of each, measured one after the other: the machine's load hits all. The first round is not counted.

    The pauses, of up to so many seconds, have no fixed length: nothing is to fall into step with anybody's interval.
    """
    found = []
    for _ in range(rounds + 1):
        times = []
        for measure in measures:
            await asyncio.sleep(random.uniform(0, pause))
            times.append(await measure())
        found.append(times)
    return [statistics.median(times) for times in zip(*found[1:], strict=True)]


async def _start(side: Ours | Peer, spool: bool = True) -> float:
    return float((await side.do("start", spool=spool))["start_s"])


async def _warm(ours: Ours) -> float:
    """With a pod there that does not leave meanwhile: its startd looks every five seconds whether it is of use, and
    has missed jobs that were shorter."""
    await ours.do("busy", seconds=7)
    await asyncio.sleep(random.uniform(0, PAUSE))
    return await _start(ours)


async def _from_zero(ours: Ours) -> float:
    await ours.without_pods()
    return await _start(ours)
