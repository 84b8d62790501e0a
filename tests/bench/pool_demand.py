"""How the operator follows demand when 100,000 jobs are idle: simulated, on this machine, without a cluster.

The operator's own loop, its own process that reads the queue, its own decision. What is made up is the schedd
(`pool_ads`) and the API server (`tests.fakes.apiserver`). Alike: five kinds of jobs a person; unlike: no two jobs ask
for the same. A reaction is from the instant at which the jobs are there until the API server is asked for the first
pod, the wait for the loop's next round included.

    python3 -m tests.bench.pool_demand
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from facility.condor.jobs import OwnerJobs, Queues
from facility.condor.shapes import Shape
from facility.condor.share import decide
from facility.condor.situation import NOTHING, VO, Need, Person, Situation
from facility.operator.execute import Demand
from facility.operator.pods import BatchPods
from facility.operator.secrets import manifest
from facility.operator.validate import ValidatedVO
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.bench.figures import Row, row, table
from tests.bench.pool_ads import VO as ONE_VO
from tests.bench.pool_ads import owners
from tests.fakes.apiserver import ApiServer
from tests.fakes.operator_world import SITE, connected, user, vo
from tests.fakes.small_cluster import SmallCluster

JOBS, PEOPLE, ALIKE = 100_000, 200, 5
SAMPLES = 5
SHORT = 1000
PERIOD = 2.0  # seconds between two rounds, as the operator has it
_PATIENCE = 60.0
_AT_MOST = 5.0  # seconds of a reaction


def measured() -> dict[str, Row]:
    """All rows."""
    rows: dict[str, Row] = {}
    for kind, kinds in (("alike", ALIKE), ("unlike", JOBS)):
        with tempfile.TemporaryDirectory() as folder:
            rows |= reading(kind, Path(folder), kinds)
        with tempfile.TemporaryDirectory() as folder:
            rows |= reacting(kind, Path(folder), kinds)
    return rows | deciding() | short_jobs()


@dataclass
class Reader:
    """Reads the simulated queue through a process of its own; `flag`: the jobs are there."""

    folder: Path
    kinds: int
    jobs: int = JOBS
    people: int = PEOPLE
    queues: Queues = field(init=False)
    last: tuple[OwnerJobs, ...] = ()

    def __post_init__(self) -> None:
        made = (str(self.jobs), str(self.people), str(self.kinds), str(self.flag))
        root = str(Path(__file__).parents[2])
        command = (sys.executable, "-m", "tests.bench.pool_ads", *made)
        self.queues = Queues({"PYTHONPATH": root, "CONDOR_CONFIG": "/dev/null"}, command, _PATIENCE)

    @property
    def flag(self) -> Path:
        """A file."""
        return self.folder / "jobs-are-there"

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        """As the operator asks."""
        self.last = self.queues.ask(schedd)
        return self.last

    def close(self) -> None:
        """End the process."""
        self.queues.close()

    def mebibytes(self) -> float:
        """The most memory that the process has had."""
        child = self.queues._child
        assert child
        said = Path(f"/proc/{child.pid}/status").read_text()
        (most,) = re.findall(r"VmHWM:\s+(\d+) kB", said)
        return int(most) / 1024


def reading(kind: str, folder: Path, kinds: int) -> dict[str, Row]:
    """The process that reads the queue: seconds of an answer, memory."""
    reader = Reader(folder, kinds)
    try:
        reader.ask("ap")
        reader.flag.touch()
        times = []
        for _ in range(SAMPLES):
            begun = time.monotonic()
            found = reader.ask("ap")
            times.append(time.monotonic() - begun)
        assert sum(one.idle for one in found) == JOBS
        beside = f"{JOBS} idle jobs of {PEOPLE} people, {kind}"
        return {
            f"demand_read_{kind}_s": row(round(statistics.median(times), 3), "s", beside=beside),
            f"demand_read_{kind}_MiB": row(round(reader.mebibytes(), 1), "MiB", beside="with the ads themselves"),
        }
    finally:
        reader.close()


def reacting(kind: str, folder: Path, kinds: int) -> dict[str, Row]:
    """The operator's loop: seconds until the first pod is asked for."""
    reader = Reader(folder, kinds)
    try:
        times = asyncio.run(reactions(reader))
    finally:
        reader.close()
    beside = f"{JOBS} idle jobs of {PEOPLE} people, {kind}; slowest of {len(times)}: {max(times):.1f} s"
    return {f"demand_reaction_{kind}_s": row(round(statistics.median(times), 2), "s", _AT_MOST, beside)}


async def reactions(reader: Reader, samples: int = SAMPLES) -> list[float]:
    """Seconds until the first pod is asked for, each from an empty queue that the loop has read."""
    times = []
    async with _standing(reader) as (api, pods, demand):
        for _ in range(samples):
            await _empty(reader, api, pods, demand)
            await asyncio.sleep(random.uniform(0, PERIOD))  # anywhere between two rounds
            begun = time.monotonic()
            reader.flag.touch()
            await _until(lambda: bool(_made(api)))
            times.append(time.monotonic() - begun)
    return times


async def _empty(reader: Reader, api: ApiServer, pods: BatchPods, demand: Demand) -> None:
    """No jobs, as far as the loop knows, and no pods."""
    reader.flag.unlink(missing_ok=True)
    await _until(lambda: not reader.last and not demand.jobs)
    for name in _made(api):
        api.remove("Pod", name, SITE.namespaces.batch)
    await _until(lambda: not pods.execute)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not holds():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _standing(reader: Reader) -> AsyncIterator[tuple[ApiServer, BatchPods, Demand]]:
    """An API server with the VO's people, its access point and the pool's key, and the loop, which runs."""
    batch = SITE.namespaces.batch
    async with ApiServer() as api, connected(api) as cluster:
        for one in (manifest(batch, "pool-key", {"POOL": b"k" * 64}), _access_point(batch), *_people(reader.people)):
            api.put(one)
        pods, served = BatchPods(cluster, SITE), _served(reader.people)
        await pods.refresh()
        demand = Demand(cluster, SITE, time.time, lambda name, key: reader, pods, PERIOD)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(pods.run()), group.create_task(demand.run(lambda: [served]))]
            try:
                yield api, pods, demand
            finally:
                for task in running:
                    task.cancel()


def _access_point(namespace: str) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/component": "access-point",
        "app.kubernetes.io/managed-by": "facility-operator",
        "analysis-facility.io/vo": ONE_VO,
    }
    meta = {"name": f"ap-{ONE_VO}-0", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"phase": "Running"}}


def _people(count: int) -> list[dict[str, Any]]:
    names = (owner.partition("_")[2] for owner in owners(count))
    return [user(name, ONE_VO, 20000 + number) for number, name in enumerate(names)]


def _served(count: int) -> ValidatedVO:
    made = VirtualOrganization.parse(vo(ONE_VO, "https://iam.example.org/"))
    return ValidatedVO(made, tuple(FacilityUser.parse(one) for one in _people(count)))


def _made(api: ApiServer) -> list[str]:
    return [name for name in api.names("Pod", SITE.namespaces.batch) if name.startswith("ep-")]


def deciding() -> dict[str, Row]:
    """The decision alone, over four VOs."""
    vos = {f"vo{number}": VO(f"vo{number}", 100 + number, 1000) for number in range(4)}
    people = {one.owner: one for one in (_person(number) for number in range(PEOPLE))}
    situation = Situation(vos, people, (), Shape(8, 16_000, 40_000), Shape(64, 256_000, 400_000))
    begun = time.process_time()
    decision = decide(situation)
    took = time.process_time() - begun
    assert decision.create
    beside = f"CPU; {PEOPLE} people of {len(vos)} VOs, {ALIKE} kinds each"
    return {"demand_decision_s": row(round(took, 3), "s", beside=beside)}


def _person(number: int) -> Person:
    of = f"vo{number % 4}"
    each = JOBS // PEOPLE // ALIKE
    needs = tuple(Need(Shape(1 + kind % 4, 500 * (kind + 1), 1024), each) for kind in range(ALIKE))
    return Person(f"{of}_p{number}", of, usage=1000.0 * number, waited=1.0, needs=needs)


class ShortJobs(SmallCluster):
    """Whose jobs end within a round of the loop."""

    def _match(self) -> None:
        self.pods = {name: replace(pod, used=NOTHING) for name, pod in self.pods.items()}
        super()._match()


def short_jobs() -> dict[str, Row]:
    """How many pods a person gets for many short jobs, where the VO would have more."""
    mine = Person(f"{ONE_VO}_alice", ONE_VO, needs=(Need(Shape(1, 500, 500), SHORT),))
    cluster = ShortJobs(1000, {ONE_VO: VO(ONE_VO, 100, SHORT)}, {mine.owner: mine})
    rounds = 0
    while cluster.people[mine.owner].needs:
        cluster.round()
        rounds += 1
    beside = f"{SHORT} jobs of one core that end within a round, after {rounds} rounds; pods of 2 cores"
    return {"demand_pods_for_short_jobs": row(cluster.made, "", SHORT / 10, beside)}


if __name__ == "__main__":
    print(table(measured()))
