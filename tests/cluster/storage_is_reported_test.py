"""How full caches and the demo's lake are: told over https to whoever asks, as WLCG's accounting reads it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.hub.storage import FRESH
from tests.cluster import forge, lakes
from tests.cluster.reading import Attempt, attempt
from tests.fakes.srr_reader import complaints

pytestmark = pytest.mark.cluster
SIZE = 3_000_000
#: XRootD counts once a minute, and a file when it is closed
COUNTED = 60 + 30
#: in a cache's pod, from which the lake is reached: what is told without a token
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"


async def asked(stage: Stage, vo: str) -> tuple[int, Any]:
    """What the hub says to somebody who has not signed in: status, and the report if there is one."""
    async with (
        stage.at_hub(world.CMS, "alice") as nobody,
        nobody.http.get(f"{nobody.hub}/hub/facility/storage/{vo}.json") as answer,
    ):
        return answer.status, await answer.json() if answer.status == 200 else None


def share(stage: Stage) -> dict[str, Any]:
    status, told = asyncio.run(asked(stage, "cms"))
    assert status == 200
    (found,) = told["storageservice"]["storageshares"]
    return dict(found)


def test_what_people_read_is_in_their_vos_report_minutes_later(stage: Stage, outcome: Outcome) -> None:
    path = f"/cms/open/reported-{secrets.token_hex(4)}"
    lakes.put(stage, path, SIZE)
    stage.cluster.wait_for("a first report", lambda: asyncio.run(asked(stage, "cms"))[0] == 200, COUNTED)
    before = share(stage)
    token = forge.token(scope="storage.read:/open")
    (answer,) = attempt(stage.cluster, "jupyter-cms-alice", [Attempt("https", "xcache-cms.facility.svc", path, token)])
    assert answer.bytes == SIZE
    grown = before["usedsize"] + SIZE
    stage.cluster.wait_for("the report", lambda: share(stage)["usedsize"] >= grown, COUNTED + FRESH)
    after = share(stage)
    assert after["numberoffiles"] > before["numberoffiles"]
    assert (after["vos"], after["path"]) == (["cms"], ["/cms"])
    assert time.time() - after["timestamp"] < 3 * FRESH
    lakes.remove(stage, path)


@pytest.mark.parametrize("vo", world.VOS)
def test_what_the_hub_serves_of_each_cache_can_be_accounted_for(stage: Stage, outcome: Outcome, vo: str) -> None:
    stage.cluster.wait_for(f"a report of {vo}", lambda: asyncio.run(asked(stage, vo))[0] == 200, COUNTED)
    _, told = asyncio.run(asked(stage, vo))
    assert complaints(told, time.time()) == []
    (found,) = told["storageservice"]["storageshares"]
    assert found["vos"] == [vo]


def test_a_vo_that_there_is_not_has_no_report(stage: Stage, outcome: Outcome) -> None:
    assert asyncio.run(asked(stage, "nobody"))[0] == 404


def test_the_lake_says_what_it_holds_of_each_vo_to_whoever_asks(stage: Stage, outcome: Outcome) -> None:
    command = ["python3", "-c", ASK, f"{world.ORIGIN}/static/srr.json"]
    told = json.loads(stage.cluster.execute("facility", "xcache-cms-0", "xcache", command))
    assert complaints(told, time.time()) == []
    used = {one["name"]: one["usedsize"] for one in told["storageservice"]["storageshares"]}
    assert used["cms"] > 0
    assert used["atlas"] > 0
