"""A cache's own token is renewed many times while people read what it has to fetch: none of them notices.

What is read is always new, so that each read needs the cache's own token at the origin: at one by https, where each
request carries it, and at one by root://, where a connection is logged in with it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.xcache import places
from tests.cluster import checked_reads, lakes
from tests.cluster.through_caches import PODS

pytestmark = [pytest.mark.cluster, pytest.mark.long]

VOS = (world.CMS, world.ESCAPE)
LIVES, SIZE = 5, 50_000
#: seconds from one read to the next
PACE = 1.0
#: seconds between two looks at the caches' tokens: less than any of them lives
LOOK = 5.0
#: one file after the other, by both protocols in turns; one that takes long holds up no other
STEADY = """
import concurrent.futures, json, pathlib, sys, time, types
wish = json.load(sys.stdin)
one = types.ModuleType("one")
exec(wish["program"], one.__dict__)
began, found = time.monotonic(), []
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    for number, (path, digest) in enumerate(wish["files"].items()):
        time.sleep(max(0, began + number * wish["pace"] - time.monotonic()))
        found.append(pool.submit(one.read, (one.root, one.https)[number % 2], wish["host"], path, digest))
pathlib.Path(wish["told"]).write_text(json.dumps([read.result() for read in found]))
"""
#: of a token nothing else leaves the cache's pod
TIMES = """
import base64, json, sys
body = open(sys.argv[1]).read().split(".")[1]
told = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
print(json.dumps([told["iat"], told["exp"]]))
"""


@dataclass(frozen=True)
class Token:
    """When a cache's own token was made and when it ends, in seconds since the epoch."""

    made: int
    ends: int

    @property
    def life(self) -> int:
        """In seconds."""
        return self.ends - self.made


def token(stage: Stage, vo: world.DemoVO) -> Token:
    """That of the VO's cache, now."""
    told = stage.cluster.execute("facility", f"xcache-{vo.name}-0", "xcache", ["python3", "-c", TIMES, places.TOKEN])
    return Token(*json.loads(told))


@contextmanager
def unread(stage: Stage, vo: world.DemoVO, count: int) -> Iterator[dict[str, str]]:
    """So many files that no cache has seen: path to adler32."""
    folder = f"/{vo.name}/open/steady-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=count, size=SIZE)
    try:
        yield {f"{folder}/{name}": digest for name, digest in lakes.checksums(stage, folder).items()}
    finally:
        lakes.remove(stage, folder)


def reads(stage: Stage, vo: world.DemoVO, files: dict[str, str]) -> list[dict[str, Any]]:
    """How each read of the VO's person went."""
    told = f"/tmp/steady-{secrets.token_hex(4)}.json"  # what is printed after a long silence is lost at times
    wish = {"host": f"xcache-{vo.name}.facility.svc", "files": files, "pace": PACE, "told": told}
    wish["program"] = Path(checked_reads.__file__).read_text()
    where, most = ("facility-users", PODS[vo.name], "notebook"), len(files) * PACE + 240
    stage.cluster.execute(*where, ["python3", "-c", STEADY], stdin=json.dumps(wish), timeout=most)
    found: list[dict[str, Any]] = json.loads(stage.cluster.execute(*where, ["cat", told]))
    return found


def test_no_cold_read_fails_in_five_lives_of_the_caches_tokens(stage: Stage, outcome: Outcome) -> None:
    first = {vo.name: token(stage, vo) for vo in VOS}
    seconds = LIVES * max(one.life for one in first.values())
    seen: dict[str, set[Token]] = {name: {one} for name, one in first.items()}
    with ExitStack() as files, ThreadPoolExecutor(len(VOS)) as beside:
        unseen = {vo: files.enter_context(unread(stage, vo, round(seconds / PACE))) for vo in VOS}
        reading = {vo: beside.submit(reads, stage, vo, some) for vo, some in unseen.items()}
        while not all(one.done() for one in reading.values()):
            for vo in VOS:
                seen[vo.name].add(token(stage, vo))
            time.sleep(LOOK)
        found = {vo.name: one.result() for vo, one in reading.items()}
    for name, records in found.items():
        assert not [one for one in records if one["error"] or one["wrong"]], name
        assert {one["way"] for one in records} == {"root", "https"}
        assert records[-1]["ended"] - records[0]["at"] >= seconds - 2 * PACE
        # a token is renewed before its end, so there were more of them than lives
        assert len(seen[name]) > LIVES, sorted((one.made, one.ends) for one in seen[name])
