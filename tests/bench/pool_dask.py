"""P11: the demo's analysis of larger files, by dask on the pool and by one process of the notebook.

Both read through the cache, which has the files by then. The figure is a share: with so many workers, of how much
faster they could be at the most. One core for each is assumed, so there are no more workers than the machine has cores.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facility.dev.demo.mainjob import Stage
from facility.dev.lake import analysis
from tests.bench.figures import Row, row
from tests.bench.pool_data import files
from tests.bench.pool_peer import slots
from tests.bench.pool_person import ours

FILES, EVENTS, PARTS, ROUNDS = 8, 500_000, 2, 3


async def measured(stage: Stage) -> dict[str, Row]:
    """The rows of P11."""
    workers = min(slots(), cores(stage))
    shipped = [Path(analysis.__file__), Path(__file__).with_name("pool_analysis.py")]
    with files(stage, FILES, EVENTS) as paths:
        async with ours(stage, shipped) as mine:
            await mine.without_pods()
            how = {"paths": paths, "events": EVENTS, "parts": PARTS, "workers": workers, "rounds": ROUNDS}
            found = await mine.run(f"import pool_analysis; pool_analysis.tell(**{how!r})")
    return figures(found, workers)


def cores(stage: Stage) -> int:
    """Whole cores of the first node."""
    return int(stage.cluster.items("nodes")[0]["status"]["capacity"]["cpu"])


def figures(found: Mapping[str, Any], workers: int) -> dict[str, Row]:
    """Rows of what the kernel has measured."""
    alone, together = (statistics.median(found[name]) for name in ("alone_s", "together_s"))
    events = f"{FILES * EVENTS // 1_000_000} million events in {FILES} files"
    beside = f"{workers} workers: {together:.1f} s; one process: {alone:.1f} s; {events}"
    return {
        "P11": row(round(alone / together / workers, 2), "x", beside=beside),
        "P11_times_faster": row(round(alone / together, 2), "x", beside=beside),
        "P11_cold_s": row(round(found["cold_s"], 1), "s", beside="one process, the cache without the files"),
        "P11_workers_s": row(round(found["started_s"], 1), "s", beside="from HTCondorCluster() to its workers, no pod"),
    }


if __name__ == "__main__":
    from facility.dev.demo import place

    print(asyncio.run(measured(place.stage())))
