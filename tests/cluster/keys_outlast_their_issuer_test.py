"""An issuer is away for an hour, and for days: a cache that has its keys judges new tokens by them until they end.

Real caches with a small storage before them, on this machine's loopback, whose clock is turned.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.bench.cache_rig import VO
from tests.cluster import another_clock
from tests.cluster.kept_caches import Cache, Caches, caches
from tests.fakes import https_origin
from tests.fakes.https_origin import HttpsOrigin

pytestmark = pytest.mark.cluster

HOUR, DAY = 3600, 86400
#: how long a cache has an issuer's keys without hearing of it
KEPT = 4 * DAY
SIZE = 100_000
#: a whole file by root://, which says how many bytes came
READ = """
import os, sys
os.environ |= {"BEARER_TOKEN_FILE": "/bench/token", "X509_CERT_FILE": "/bench/ca.crt"}
from XRootD import client
file = client.File()
status, _ = file.open(sys.argv[1])
print(len(file.read()[1]) if status.ok else 0)
"""


@dataclass
class Stand:
    """Caches of a VO whose issuer goes, and the one that serves now."""

    rig: Caches
    origin: HttpsOrigin
    cache: Cache
    ahead: float = 0

    def turn(self, seconds: float) -> None:
        """It is that much later than when the issuer was heard of."""
        another_clock.turn(self.rig.folder / self.cache.server.name / "run" / "clock", seconds)
        self.ahead = seconds
        time.sleep(another_clock.LOOKED)  # nothing says from outside that it has looked

    def start_anew(self, name: str) -> None:
        """Another process with the same volume, and the same time."""
        self.cache.end()
        another_clock.turn(self.rig.folder / name / "run" / "clock", self.ahead)
        self.cache = self.rig.kept(name, self.origin.port, volume=self.cache.volume)

    def put(self, name: str) -> str:
        """A file that no cache has; its path."""
        path = f"/{VO}/{name}"
        self.origin.files[path] = os.urandom(SIZE)
        return path

    def reads(self, path: str, *, forged: bool = False) -> set[int]:
        """Bytes that root:// and https give to somebody with a token that was made just now; 0: refused."""
        self.rig.shown(at=time.time() + self.ahead, forged=forged)
        by_root = ["docker", "exec", self.rig.client, "/opt/venv/bin/python", "-c", READ]
        told = subprocess.run([*by_root, self.cache.server.url("root", path)], capture_output=True, check=True)
        try:
            return {int(told.stdout), len(self.cache.read(path))}
        except urllib.error.HTTPError as error:
            return {int(told.stdout), 0 if error.code == 403 else -error.code}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """With one file that the cache has, and no issuer any more."""
    with caches(tmp_path_factory.mktemp("keys")) as rig, https_origin.serving(rig.authority) as origin:
        rig.images["xcache"] = another_clock.made(rig.images["xcache"])
        another_clock.turn(rig.folder / "first" / "run" / "clock", 0)
        made = Stand(rig, origin, rig.kept("first", origin.port))
        assert made.reads(made.put("cached")) == {SIZE}
        rig.issuer_goes()
        yield made


@pytest.mark.parametrize("away", [HOUR, KEPT - HOUR], ids=["an hour", "an hour less than four days"])
def test_new_tokens_open_files_and_forged_ones_none(stand: Stand, away: float) -> None:
    stand.turn(away)
    assert stand.reads(f"/{VO}/cached") == stand.reads(stand.put(f"cold-{away}")) == {SIZE}
    assert stand.reads(f"/{VO}/cached", forged=True) == {0}


def test_a_cache_that_starts_anew_meanwhile_opens_them_too(stand: Stand) -> None:
    stand.turn(HOUR)
    stand.start_anew("second")
    assert stand.reads(f"/{VO}/cached") == stand.reads(stand.put("cold-anew")) == {SIZE}


def test_once_the_keys_are_over_nothing_is_opened_by_them(stand: Stand) -> None:
    stand.turn(KEPT + HOUR)
    assert stand.reads(f"/{VO}/cached") == {0}
    stand.start_anew("third")
    assert stand.reads(f"/{VO}/cached") == {0}
