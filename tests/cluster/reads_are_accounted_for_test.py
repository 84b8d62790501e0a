"""Beside each cache, what people read is counted by person, and what came from origins by origin."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge, lakes
from tests.cluster.reading import Attempt, attempt

pytestmark = pytest.mark.cluster

SIZE, ALICE = 5_000_000, world.CMS.person.subject
#: XRootD tells of files every 10 s, and of what it lets go of every 5
SECONDS = 40
_ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9090/metrics').read().decode())"
_LINE = re.compile(r"facility_cache_(\w+)\{(.*)\} (\d+)")

Sums = dict[tuple[str, str], int]


def sums(stage: Stage) -> Sums:
    """Metric and label (subject and protocol, or origin) to its value."""
    told = stage.cluster.execute("facility", "xcache-cms-0", "accounting", ["python3", "-c", _ASK])
    found: Sums = {}
    for name, labels, value in _LINE.findall(told):
        rest = ",".join(one for one in labels.split(",") if not one.startswith("vo="))
        found[name, rest] = int(value)
    return found


def grown(before: Sums, after: Sums, name: str, labels: str) -> int:
    return after.get((name, labels), 0) - before.get((name, labels), 0)


@pytest.fixture
def file(stage: Stage, outcome: Outcome) -> Iterator[str]:
    path = f"/cms/open/accounted-{secrets.token_hex(4)}"  # never read before
    lakes.put(stage, path, SIZE)
    yield path
    lakes.remove(stage, path)


def test_what_alice_reads_is_hers_and_what_was_fetched_for_it_the_origins(stage: Stage, file: str) -> None:
    before = sums(stage)
    token = forge.token(scope="storage.read:/open")
    for protocol in ("https", "root", "root"):
        [answer] = attempt(
            stage.cluster, "jupyter-cms-alice", [Attempt(protocol, "xcache-cms.facility.svc", file, token)]
        )
        assert answer.bytes == SIZE

    def counted() -> bool:
        after = sums(stage)
        by = {name: f'subject="{ALICE}",protocol="{name}"' for name in ("https", "xroot")}
        read = {name: grown(before, after, "served_bytes_total", labels) for name, labels in by.items()}
        origin = f'origin="{world.ORIGIN}"'
        fetched = grown(before, after, "fetched_bytes_total", origin)
        hit = grown(before, after, "hit_bytes_total", origin)
        return read["https"] >= SIZE and read["xroot"] >= 2 * SIZE and fetched >= SIZE and hit >= SIZE

    try:
        stage.cluster.wait_for("the sums", counted, SECONDS)
    finally:
        print("before:", before, "after:", sums(stage))
