"""What becomes of readers when the lake changes: files at an origin, and the lakes of a VO with their origins."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.xcache import places
from tests.cluster import forge, lakes
from tests.cluster.kills import life
from tests.cluster.lakes_of_escape import ARRIVED, ESCAPE, give, part, usual
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.through_caches import PODS, record

pytestmark = pytest.mark.cluster

PROTOCOLS = ("root", "https")
#: that a file is compared with its origin (`site.cache.fresh` of the demo), and what a test needs to look
SECONDS = 25
#: that XRootD lets go of a file that it has read at its origin; until then a root:// origin gives others the same
LET_GO = 45
#: an audience that caches of the VO take once a lake has it, and that the demo's origin never takes
ELSEWHERE = "https://elsewhere.demo.svc:1094"
CACHE = "xcache-escape-0"
QUOTA = {"path": "/escape/open", "size": "1Gi"}


def read(stage: Stage, vo: world.DemoVO, path: str, audience: str = world.ORIGIN) -> list[Answer]:
    """Both protocols' answers to somebody who may read the VO's whole lake."""
    token = forge.token(vo, scope="storage.read:/", audience=audience)
    asked = [Attempt(protocol, f"xcache-{vo.name}.facility.svc", path, token) for protocol in PROTOCOLS]
    return attempt(stage.cluster, PODS[vo.name], asked)


def sizes(stage: Stage, vo: world.DemoVO, path: str) -> set[int]:
    """Bytes that either protocol gives; -1 where a read fails."""
    return {answer.bytes if answer.ok else -1 for answer in read(stage, vo, path)}


@pytest.fixture
def file(stage: Stage, outcome: Outcome, vo: world.DemoVO) -> Iterator[str]:
    path = f"/{vo.name}/open/changing"
    lakes.put(stage, path, 3_000_000)
    yield path
    lakes.remove(stage, path)


@pytest.mark.parametrize("vo", [world.CMS, ESCAPE], ids=["https", "root"])
def test_a_file_that_changed_at_its_origin_is_served_new_soon(stage: Stage, vo: world.DemoVO, file: str) -> None:
    assert sizes(stage, vo, file) == {3_000_000}
    lakes.append(stage, file, 500_000)
    stage.cluster.wait_for("what was appended", lambda: sizes(stage, vo, file) == {3_500_000}, SECONDS)
    lakes.put(stage, file, 2_000_000)
    stage.cluster.wait_for("what it was replaced by", lambda: sizes(stage, vo, file) == {2_000_000}, SECONDS)
    lakes.remove(stage, file)
    stage.cluster.wait_for("its removal", lambda: sizes(stage, vo, file) == {-1}, SECONDS)


@pytest.mark.parametrize("vo", [world.CMS, ESCAPE], ids=["https", "root"])
def test_one_that_is_replaced_right_after_it_was_read_is_never_kept_as_it_was(
    stage: Stage, vo: world.DemoVO, file: str
) -> None:
    assert sizes(stage, vo, file) == {3_000_000}
    lakes.put(stage, file, 2_000_000)
    stage.cluster.wait_for("the new one", lambda: sizes(stage, vo, file) == {2_000_000}, SECONDS + LET_GO)


#: told in a cache: of which version it takes what it has of a file to be
VERSION = "import os, sys; print(os.getxattr(sys.argv[1], 'user.facility.origin').decode())"


@pytest.mark.parametrize("vo", [world.CMS, ESCAPE], ids=["https", "root"])
def test_one_that_was_looked_for_before_it_came_is_known_by_its_version(
    stage: Stage, outcome: Outcome, vo: world.DemoVO
) -> None:
    """Without that it would be taken for another one soon, and out of the cache, from under those who have it open."""
    path, size = f"/{vo.name}/open/awaited", 1_000_000
    lakes.remove(stage, path)
    assert sizes(stage, vo, path) == {-1}
    lakes.put(stage, path, size)
    try:
        assert sizes(stage, vo, path) == {size}
        cache = ("facility", f"xcache-{vo.name}-0", "xcache")
        assert stage.cluster.execute(*cache, ["python3", "-c", VERSION, record(path)]).startswith(f"{size} ")
    finally:
        lakes.remove(stage, path)


HOLD = """
import pathlib, sys, time
from XRootD import client
path, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
file, block = client.File(), 1 << 20
assert file.open(f"root://xcache-cms.facility.svc:1094/{path}")[0].ok
assert set(file.read(0, block)[1]) == set(b"a")
pathlib.Path("/tmp/opened").touch()
end, offset, seen = time.monotonic() + seconds, block, set()
while time.monotonic() < end:
    status, data = file.read(offset, block)
    if not status.ok:
        break
    seen |= set(data)
    offset = (offset + block) % size
    time.sleep(0.5)
print(bytes(seen).decode(), "then an error" if not status.ok else "and no error")
"""


@pytest.mark.parametrize("vo", [world.CMS], ids=["https"])
def test_who_reads_a_file_while_it_is_replaced_gets_an_error_and_no_mixture(
    stage: Stage, vo: world.DemoVO, file: str
) -> None:
    pod = ("facility-users", PODS[vo.name], "notebook")
    size = 64 << 20
    lakes.put(stage, file, size)
    stage.cluster.wait_for("the long one", lambda: sizes(stage, vo, file) == {size}, SECONDS)
    stage.cluster.execute(*pod, ["rm", "-f", "/tmp/opened"])
    with ThreadPoolExecutor(1) as beside:
        command = ["python3", "-c", HOLD, file, str(size), str(3 * SECONDS)]
        held = beside.submit(stage.cluster.execute, *pod, command, timeout=4 * SECONDS)
        opened = lambda: stage.cluster.execute(*pod, ["ls", "/tmp"]).split().count("opened")  # noqa: E731
        stage.cluster.wait_for("the file open", lambda: opened() or held.done(), 30)
        lakes.put(stage, file, size, letter="b")
        assert held.result().strip() == "a then an error"
    assert sizes(stage, vo, file) == {size}


def test_no_reader_takes_a_file_out_of_the_cache(stage: Stage, outcome: Outcome) -> None:
    told = "import subprocess, sys; r = subprocess.run(sys.argv[1:], capture_output=True, text=True); print(r.stderr)"
    for word in ("evict", "fevict"):
        command = ["xrdfs", "root://xcache-cms.facility.svc:1094", "cache", word, world.CMS.file]
        answer = stage.cluster.execute("facility-users", PODS["cms"], "notebook", ["python3", "-c", told, *command])
        assert "only the cache itself takes files out of the cache" in answer


@pytest.fixture
def one_lake(stage: Stage, outcome: Outcome) -> Iterator[None]:
    with usual(stage, lambda: sizes(stage, ESCAPE, ESCAPE.file) != {-1}):
        yield


def told(stage: Stage) -> list[str]:
    """What the cache is to keep, as its pod has it."""
    command = ["cat", f"{places.CONFIG}/{places.KEEPING}"]
    return stage.cluster.execute("facility", CACHE, "xcache", command).splitlines()


def test_lakes_come_and_go_under_readers_of_others_and_no_reader_lends_their_token(
    stage: Stage, one_lake: None
) -> None:
    before, kept, cold = life(stage, "facility", CACHE), "/escape/open/kept", "/escape/embargoed/cold"
    lakes.put(stage, kept, 1_000_000)
    lakes.put(stage, cold, 2_000_000)

    def read_here(path: str, wanted: int, audience: str = world.ORIGIN) -> bool:
        """Whether both protocols give that many bytes, while what stays is read all the time."""
        assert sizes(stage, ESCAPE, kept) == {1_000_000}
        return {answer.bytes for answer in read(stage, ESCAPE, path, audience)} == {wanted}

    # for one part the other origin, and no lake for the other part; and what the cache keeps is another thing, too
    give(stage, part("open", world.ORIGIN), prefetch="AsRead", dropUnusedDays=30, quotas=[QUOTA])
    stage.cluster.wait_for("a lake gone", lambda: read_here(ESCAPE.file, 0), ARRIVED)
    # it is back, cold, for tokens that its origin would refuse: what it gets is the cache's own
    give(stage, part("open", world.ORIGIN), part("embargoed", world.ROOT_ORIGIN, ELSEWHERE))
    stage.cluster.wait_for("a lake there", lambda: read_here(cold, 2_000_000, ELSEWHERE), ARRIVED)
    assert told(stage) == ["prefetch as-read", "unused 30", "quota /escape/open/ 1073741824"]
    assert life(stage, "facility", CACHE) == before
