"""P6: jobs that do nothing, per second, on as many slots as the personal pool has; and how fast jobs are sent.

One submit is timed where a process stays connected and where each has one of its own (`condor_submit`): there the
person's token has to be shown anew (SCITOKENS in TLS), where the personal pool looks at a file's owner (FS).
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence

from tests.bench.figures import Row, row
from tests.bench.pool_peer import Peer, slots
from tests.bench.pool_person import Ours

JOBS = int(os.environ.get("POOL_JOBS", "1000"))
SUBMITS = 25
Run = Mapping[str, float]


async def measured(ours: Ours, peer: Peer) -> dict[str, Row]:
    """The rows of P6 and of submits. The VO is allowed one execute pod while this runs."""
    await ours.do("start")  # the pod is there from now on
    runs = [(side, await side.do("rate", jobs=JOBS)) for side in (ours, peer, peer, ours)]
    mine, theirs = ([run for side, run in runs if side is whose] for whose in (ours, peer))
    natural = await peer.do("rate", jobs=JOBS, spool=False)
    sent = [(await ours.do("submits", count=SUBMITS), await peer.do("submits", count=SUBMITS)) for _ in range(2)]
    return rates(mine, theirs, natural) | submits([pair[0] for pair in sent], [pair[1] for pair in sent])


def rates(mine: Sequence[Run], theirs: Sequence[Run], natural: Run) -> dict[str, Row]:
    """Rows of whole runs. Raises AssertionError when a job ran twice or one side had more than one pod's slots."""
    everywhere = [run["pods"] for run in (*mine, *theirs, natural)]
    assert set(everywhere) == {1}, f"these are not as many slots, as the jobs ran in so many pods: {everywhere}"
    again = [run for run in mine if run["starts"] != run["jobs"]]
    assert not again, f"jobs were started more than once: {again}"
    ours, other, unsent = per_second(mine), per_second(theirs), per_second([natural])
    beside = f"personal pool: {other:.2f}/s, {unsent:.2f}/s where no files are sent; {slots()} slots, {JOBS} jobs"
    sending = f"files sent along; personal pool: {_sending(theirs):.0f}/s"
    return {
        "P6": row(round(ours / other, 2), "x", 0.95, beside, least=True),
        "P6_per_s": row(round(ours, 2), "1/s", beside=beside),
        "P6_over_unsent": row(round(ours / unsent, 2), "x", beside=beside),
        "submit_jobs_per_s": row(round(_sending(mine)), "1/s", beside=sending),
    }


def per_second(runs: Sequence[Run]) -> float:
    """The median of the runs' rates: all jobs over the time from before the submit until the last has ended."""
    return statistics.median(run["jobs"] / run["seconds"] for run in runs)


def _sending(runs: Sequence[Run]) -> float:
    return statistics.median(run["jobs"] / run["sent_s"] for run in runs)


def submits(mine: Sequence[Run], theirs: Sequence[Run]) -> dict[str, Row]:
    """Rows of single submits, SCITOKENS beside FS."""

    def each(runs: Sequence[Run], name: str) -> float:
        return statistics.median(run[name] / run["count"] for run in runs) * 1000

    def one(name: str) -> Row:
        return row(round(each(mine, name), 1), "ms", beside=f"FS, personal pool: {each(theirs, name):.1f} ms")

    return {"submit_connected_ms": one("seconds"), "submit_by_tool_ms": one("by_tool_s")}
