"""What a VO's object says of its cache's content is so on the cache's disk: quotas, age, and how far ahead it fetches.

Real caches with a small storage before them, on this machine's loopback.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bench.cache_rig import VO
from tests.cluster.kept_caches import Cache, Caches, caches
from tests.fakes import https_origin
from tests.fakes.https_origin import HttpsOrigin

pytestmark = pytest.mark.cluster

MEBI = 1 << 20
HOUR, DAY = 3600, 86400
#: seconds after which a cache has let go of a file that somebody has read, and from one look at what may go to the next
LET_GO, LOOK = 30, 60
#: seconds after which a cache has read what it is told
TOLD = 3
#: nothing goes that somebody has read since the last look, so it takes two of them
GONE = LET_GO + 2 * LOOK


@dataclass(frozen=True)
class Stand:
    """What all caches here have before them."""

    rig: Caches
    origin: HttpsOrigin

    def cache(self, name: str, volume: Path | None = None, **settings: Any) -> Cache:
        """Of a VO that says this of it."""
        return self.rig.kept(name, self.origin.port, volume=volume, **settings)

    def put(self, path: str, size: int) -> str:
        """A file at the origin; its path."""
        self.origin.files[path] = os.urandom(size)
        return path

    def whole(self, cache: Cache, *paths: str) -> None:
        """Read, each byte for byte."""
        for path in paths:
            assert cache.read(path) == self.origin.files[path], path


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with caches(tmp_path_factory.mktemp("kept")) as made, https_origin.serving(made.authority) as origin:
        yield Stand(made, origin)


#: a little of each file at some places, which then stay open until standard input ends
HOLD = """
import os, sys
os.environ |= {"BEARER_TOKEN_FILE": "/bench/token", "X509_CERT_FILE": "/bench/ca.crt"}
from XRootD import client
count, files = int(sys.argv[1]), []
for url in sys.argv[2:]:
    files.append(client.File())
    assert files[-1].open(url)[0].ok
    for at in range(count):
        status, data = files[-1].read(at * (8 << 20), 10)
        assert status.ok and len(data) == 10, status.message
print("read", flush=True)
sys.stdin.read()
for file in files:
    file.close()
"""


@contextmanager
def held(rig: Caches, count: int, urls: Sequence[str]) -> Iterator[None]:
    """Somebody has ten bytes at the beginning of each eighth MiB of these files, so many times, and has them open."""
    command = ["docker", "exec", "-i", rig.client, "/opt/venv/bin/python", "-c", HOLD, str(count), *urls]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        said = process.stdout.readline()
        assert said == "read\n", process.communicate()[1]
        yield
        assert process.communicate(timeout=30)[1] == ""
        assert process.returncode == 0


def test_as_read_fetches_what_is_read_and_ahead_the_rest_too(stand: Stand) -> None:
    path, size, parts = stand.put(f"/{VO}/columns", 32 * MEBI), 32 * MEBI, 3
    ahead, as_read = stand.cache("ahead"), stand.cache("as-read", prefetch="AsRead")
    with held(stand.rig, parts, [one.server.url("root", path) for one in (ahead, as_read)]):
        ahead.until("the whole file", lambda: ahead.bytes(path) >= size, 30)
        as_read.until("what was read", lambda: as_read.bytes(path) >= parts * MEBI, 30)
        assert as_read.bytes(path) < (parts + 1) * MEBI, "a MiB is fetched at once"
    assert as_read.bytes(path) < (parts + 1) * MEBI
    stand.whole(as_read, path)


def test_a_cache_that_is_told_otherwise_goes_on_and_the_next_file_comes_as_it_says_now(stand: Stand) -> None:
    size, first, second, third = 32 * MEBI, *(stand.put(f"/{VO}/told/{number}", 32 * MEBI) for number in range(3))
    cache = stand.cache("told")

    def url(path: str) -> list[str]:
        return [cache.server.url("root", path)]

    with held(stand.rig, 1, url(first)):
        cache.now(prefetch="AsRead")
        time.sleep(TOLD)  # nothing says from outside that it has read it
        with held(stand.rig, 3, url(second)):
            cache.until("the whole first file", lambda: cache.bytes(first) >= size, 30)
            cache.until("what was read of the second", lambda: cache.bytes(second) >= 3 * MEBI, 30)
    assert cache.bytes(second) < 4 * MEBI
    cache.now()
    time.sleep(TOLD)
    with held(stand.rig, 1, url(third)):
        cache.until("the whole third file", lambda: cache.bytes(third) >= size, 30)


@pytest.mark.long
def test_a_directory_is_within_its_quota_two_minutes_after_it_has_one_and_others_are_whole(stand: Stand) -> None:
    quota, count = 4 * MEBI, 12
    small, large = ({"path": f"/{VO}/{folder}", "size": size} for folder, size in (("a", "4Mi"), ("c", "1Gi")))
    cache = stand.cache("quotas")
    files = {folder: [stand.put(f"/{VO}/{folder}/{number}", MEBI) for number in range(count)] for folder in "bca"}
    for paths in files.values():
        stand.whole(cache, *paths)
    assert cache.bytes_below(f"/{VO}/a") > quota
    cache.now(quotas=[small, large])
    cache.until("/a within its quota", lambda: cache.bytes_below(f"/{VO}/a") <= quota, GONE)
    assert cache.bytes_below(f"/{VO}/a") >= quota - MEBI, "no more goes than has to, but for a file"
    assert cache.bytes_below(f"/{VO}/b") == count * MEBI
    assert cache.bytes_below(f"/{VO}/c") == count * MEBI
    stand.whole(cache, *files["a"], *files["b"], *files["c"])


@pytest.mark.long
def test_a_file_that_nobody_has_read_for_so_long_goes_and_a_younger_one_stays(stand: Stand) -> None:
    before = stand.cache("before")
    old, young = (stand.put(f"/{VO}/{name}", 2 * MEBI) for name in ("old", "young"))
    stand.whole(before, old, young)
    before.until("all of both", lambda: before.bytes_below(f"/{VO}") >= 4 * MEBI, LET_GO)
    before.end()
    before.unread_for(old, DAY + HOUR)
    before.unread_for(young, DAY - HOUR)
    cache = stand.cache("aged", volume=before.volume)
    cache.now(dropUnusedDays=1)
    cache.until("the old one gone", lambda: not cache.bytes(old), GONE)  # it looks soon, and then once an hour
    assert cache.bytes(young) >= 2 * MEBI
    stand.whole(cache, old, young)
