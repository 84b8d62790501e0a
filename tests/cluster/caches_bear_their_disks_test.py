"""What a cache has on its disk may rot: nobody gets a wrong byte of it, and nobody waits longer for that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.xcache import places
from facility.xcache.text import size
from tests.cluster import lakes
from tests.cluster.kills import Containers, ready
from tests.cluster.through_caches import PODS, record, seen
from tests.cluster.under_fault import killed

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


#: bytes of a record that a node has written when it dies
HALF = 60


def test_a_file_whose_record_was_half_written_when_the_node_died_is_fetched_again_and_kept(
    stage: Stage, outcome: Outcome
) -> None:
    vo, folder = world.CMS, "/cms/open/half-written"
    lakes.fill(stage, folder, count=1, size=SIZE)
    path = f"{folder}/0"
    try:
        good = [200, SIZE, lakes.checksum(stage, path, "adler32")]
        assert seen(stage, vo, "whole", path) == good
        in_cache(stage, vo, "truncate", f"--size={HALF}", record(path))
        killed(Containers("cache", "facility", "xcache", f"xcache-{vo.name}-0"))(stage)
        stage.cluster.wait_for("the cache's answers", lambda: ready(stage, "facility", "xcache", set()), 60)
        assert seen(stage, vo, "whole", path) == good
        assert int(in_cache(stage, vo, "stat", "--format=%s", record(path))) > HALF
        log = stage.cluster.do("logs", "-n", "facility", f"xcache-{vo.name}-0", "-c", "xcache", "--tail=-1")
        assert f"{path}.cinfo is damaged" in log
    finally:
        lakes.remove(stage, folder)


#: sum of what comes in, without holding it
SUM = """
import sys, zlib
found = 1
while piece := sys.stdin.buffer.read(1 << 20):
    found = zlib.adler32(piece, found)
print(f"{found:08x}")
"""
LARGE = 2_400_000_000
WAYS = {
    "https": "curl -sf -K /etc/facility/curl/bearer {LAKE}{path}",
    "root": "xrdcp -s -N {LAKE}{path} -",
}


def held(stage: Stage, vo: world.DemoVO) -> int:
    """Bytes on the cache's disk."""
    told = in_cache(stage, vo, "du", "-s", "--block-size=1", places.DATA)
    return int(told.split()[0])


@pytest.mark.long
def test_a_file_larger_than_the_cache_is_read_whole_and_the_cache_is_its_size_again(
    stage: Stage, outcome: Outcome
) -> None:
    vo, path = world.CMS, "/cms/open/larger/than-the-cache"
    lakes.put(stage, path, LARGE)
    try:
        good = lakes.checksum(stage, path, "adler32")
        for scheme, command in WAYS.items():
            lake = f"{scheme}://xcache-cms.facility.svc:1094{'/' if scheme == 'root' else ''}"
            text = f"{command.format(LAKE=lake, path=path)} | python3 -c '{SUM}'"
            where = ("facility-users", PODS[vo.name], "notebook", ["bash", "-o", "pipefail", "-c", text])
            assert stage.cluster.execute(*where, timeout=600).strip() == good
        most = size(str(stage.cluster.get("vo", vo.name, "-n", "facility")["spec"]["cache"]["size"]))
        assert most < LARGE
        stage.cluster.wait_for("room again", lambda: held(stage, vo) < most, 300)
    finally:
        lakes.remove(stage, path)
