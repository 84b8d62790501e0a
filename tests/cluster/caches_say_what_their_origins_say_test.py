"""Through a cache people see what its origin has: listings, sizes, checksums, every byte, by root:// and https."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import lakes
from tests.cluster.through_caches import seen

pytestmark = pytest.mark.cluster

FOLDER = "/open/agreed"


@pytest.fixture(params=[world.CMS, world.ESCAPE], ids=["https", "root"], scope="module")
def vo(request: pytest.FixtureRequest, stage: Stage, outcome: Outcome) -> Iterator[world.DemoVO]:
    """VOs whose caches read by the one and by the other protocol, with a folder of their own."""
    one: world.DemoVO = request.param
    lakes.fill(stage, f"/{one.name}{FOLDER}", count=4, size=3_000_000)
    yield one
    lakes.remove(stage, f"/{one.name}{FOLDER}")


def path(vo: world.DemoVO, number: int) -> str:
    return f"/{vo.name}{FOLDER}/{number}"


def test_listings_and_sizes_are_the_origins_before_and_after_some_of_it_is_cached(
    stage: Stage, vo: world.DemoVO
) -> None:
    folder = posixpath.dirname(path(vo, 0))
    has = lakes.listing(stage, folder)
    assert len(has) == 4
    assert seen(stage, vo, "listing", folder) == {"root": has, "https": has}
    assert seen(stage, vo, "whole", path(vo, 0))[:2] == [200, 3_000_000]
    assert seen(stage, vo, "listing", folder) == {"root": has, "https": has}
    assert {seen(stage, vo, "stat", one)["root"] for one in (path(vo, 0), path(vo, 1))} == {3_000_000}
    assert {seen(stage, vo, "stat", one)["https"] for one in (path(vo, 0), path(vo, 1))} == {3_000_000}
    assert seen(stage, vo, "listing", posixpath.dirname(folder))["root"]["agreed"] is not None


@pytest.mark.parametrize("number", [0, 2], ids=["cached", "not cached"])
def test_checksums_are_the_origins(stage: Stage, vo: world.DemoVO, number: int) -> None:
    one = path(vo, number)
    assert seen(stage, vo, "whole", path(vo, 0))[0] == 200
    for kind, told in seen(stage, vo, "checksums", one).items():
        expected = [kind, lakes.checksum(stage, one, kind)]
        assert told == {"root": expected, "https": expected}


def test_vector_reads_are_the_same_bytes(stage: Stage, vo: world.DemoVO) -> None:
    chunks = [(start, 5_000) for start in range(0, 2_900_000, 290_000)]
    assert seen(stage, vo, "vector", path(vo, 3), chunks) == {"root": True, "https": True, "bytes": 50_000}


def test_two_hundred_readers_of_a_cold_file_make_one_fetch(stage: Stage, vo: world.DemoVO) -> None:
    one, size = path(vo, 100), 4_000_000
    lakes.fill(stage, posixpath.dirname(one), count=1, size=size, first=100)
    before = lakes.sent(stage)
    answers = seen(stage, vo, "many", [one] * 200, 200)
    assert {tuple(answer) for answer in answers} == {(200, size, lakes.checksum(stage, one, "adler32"))}
    fetched = lakes.sent(stage) - before
    assert size < fetched < 1.5 * size, f"{fetched / size:.2f} times the file"


def test_a_thousand_small_files_arrive_whole(stage: Stage, outcome: Outcome) -> None:
    vo = world.ESCAPE
    folder = f"/{vo.name}{FOLDER}/small"
    lakes.fill(stage, folder, count=1000, size=100_000)
    paths = [f"{folder}/{number}" for number in range(1000)]
    expected = lakes.checksums(stage, folder)
    for _ in ("cold", "warm"):
        answers = seen(stage, vo, "many", paths, 8)
        assert {where: answer for where, answer in zip(paths, answers, strict=True) if answer[0] != 200} == {}
        assert {posixpath.basename(where): answer[2] for where, answer in zip(paths, answers, strict=True)} == expected
    lakes.remove(stage, folder)
