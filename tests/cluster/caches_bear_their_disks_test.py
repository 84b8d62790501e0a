"""What a cache has on its disk may rot: nobody gets a wrong byte of it, and nobody waits longer for that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.xcache import places
from tests.cluster import lakes
from tests.cluster.through_caches import seen

pytestmark = pytest.mark.cluster

SIZE = 6_000_000
#: other bytes in the middle of what the cache has of a file, as a disk makes them
ROT = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    before = file.read(16)
    file.seek(int(sys.argv[2]))
    file.write(bytes(255 - one for one in before))
"""


def in_cache(stage: Stage, vo: world.DemoVO, *command: str) -> str:
    return stage.cluster.execute("facility", f"xcache-{vo.name}-0", "xcache", list(command))


def rot(stage: Stage, vo: world.DemoVO, path: str) -> None:
    in_cache(stage, vo, "python3", "-c", ROT, f"{places.DATA}{path}", str(SIZE // 2))


@pytest.fixture(params=[world.CMS, world.ESCAPE], ids=["https", "root"])
def vo(request: pytest.FixtureRequest, stage: Stage, outcome: Outcome) -> Iterator[world.DemoVO]:
    """VOs whose caches read by the one and by the other protocol, with two files."""
    one: world.DemoVO = request.param
    lakes.fill(stage, f"/{one.name}/open/rotten", count=2, size=SIZE)
    yield one
    lakes.remove(stage, f"/{one.name}/open/rotten")


def test_a_block_that_is_not_what_was_written_is_read_from_the_origin_and_fetched_again(
    stage: Stage, vo: world.DemoVO
) -> None:
    paths = [f"/{vo.name}/open/rotten/{number}" for number in (0, 1)]
    good = [[200, SIZE, lakes.checksum(stage, path, "adler32")] for path in paths]
    assert [seen(stage, vo, "whole", path) for path in paths] == good
    for path in paths:
        rot(stage, vo, path)
    assert seen(stage, vo, "whole", paths[0]) == good[0]
    chunks = [[SIZE // 2 - 1000, 5000], [0, 100]]
    assert seen(stage, vo, "vector", paths[1], chunks) == {"root": True, "https": True, "bytes": 5100}
    assert [seen(stage, vo, "whole", path) for path in paths] == good
    log = stage.cluster.do("logs", "-n", "facility", f"xcache-{vo.name}-0", "-c", "xcache", "--tail=-1")
    assert all(f"{path} cannot be read from disk" in log for path in paths)
