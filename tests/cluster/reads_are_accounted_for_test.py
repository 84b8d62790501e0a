"""Beside each cache, what people read is counted by person, and what came from origins by origin."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import accounts, forge, lakes
from tests.cluster.accounts import grown
from tests.cluster.reading import Attempt, attempt

pytestmark = pytest.mark.cluster

SIZE = 5_000_000


@pytest.fixture
def file(stage: Stage, outcome: Outcome) -> Iterator[str]:
    path = f"/cms/open/accounted-{secrets.token_hex(4)}"  # never read before
    lakes.put(stage, path, SIZE)
    yield path
    lakes.remove(stage, path)


def test_what_alice_reads_is_hers_and_what_was_fetched_for_it_the_origins(stage: Stage, file: str) -> None:
    before = accounts.sums(stage)
    token = forge.token(scope="storage.read:/open")
    for protocol in ("https", "root", "root"):
        [answer] = attempt(
            stage.cluster, "jupyter-cms-alice", [Attempt(protocol, "xcache-cms.facility.svc", file, token)]
        )
        assert answer.bytes == SIZE

    def counted() -> bool:
        after = accounts.sums(stage)
        read = {name: accounts.served(before, after, world.CMS.person, name) for name in ("https", "xroot")}
        origin = f'origin="{world.ORIGIN}"'
        fetched = grown(before, after, "fetched_bytes_total", origin)
        hit = grown(before, after, "hit_bytes_total", origin)
        return read["https"] >= SIZE and read["xroot"] >= 2 * SIZE and fetched >= SIZE and hit >= SIZE

    try:
        stage.cluster.wait_for("the sums", counted, accounts.SECONDS)
    finally:
        print("before:", before, "after:", accounts.sums(stage))
