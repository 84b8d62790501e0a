"""The simulation that stands for 100,000 idle jobs: the operator's own parts, before a queue that is made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import pool_ads, pool_demand
from tests.bench.pool_demand import Reader

JOBS, PEOPLE = 300, 6


@pytest.fixture(params=[1, 3, JOBS], ids=["one kind", "three kinds", "all unlike"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path, request.param, JOBS, PEOPLE)
    yield found
    found.close()


def test_each_person_has_as_many_jobs_in_so_many_kinds() -> None:
    jobs = list(pool_ads.ads(JOBS, PEOPLE, 5))
    mine = [job for job in jobs if job["Owner"] == pool_ads.owners(PEOPLE)[2]]
    assert len(mine) == JOBS / PEOPLE
    assert len({job["RequestMemory"] for job in mine}) == 5


def test_the_operators_own_process_counts_the_jobs_as_soon_as_they_are_there(reader: Reader) -> None:
    assert reader.ask("ap") == ()
    reader.flag.touch()
    found = reader.ask("ap")
    assert sorted(one.owner for one in found) == pool_ads.owners(PEOPLE)
    assert {one.idle for one in found} == {JOBS // PEOPLE}
    assert 10 < reader.mebibytes() < 500


async def test_a_reaction_ends_with_the_first_pod(tmp_path: Path) -> None:
    reader = Reader(tmp_path, 3, JOBS, PEOPLE)
    try:
        (took,) = await pool_demand.reactions(reader, samples=1)
    finally:
        reader.close()
    assert 0 < took < 20


def test_many_short_jobs_make_few_pods() -> None:
    (pods,) = pool_demand.short_jobs().values()
    assert 1 <= pods["value"] <= pods["goal"]
