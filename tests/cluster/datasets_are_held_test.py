"""An administrator says what a VO's caches are to hold (CachedDataset): it comes, is told of, and stays if pinned."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.xcache import places
from tests.cluster import lakes
from tests.cluster.through_caches import PODS, seen

pytestmark = pytest.mark.cluster

COUNT, SIZE = 30, 300_000
#: seconds; a kubelet that nobody tells brings what changed in a ConfigMap within a minute and a half
TOLD = 120
#: seconds after which the demo's caches look at what is pinned again, and what that needs
AGAIN = 100 + 60


@pytest.fixture(params=[world.CMS, pytest.param(world.ESCAPE, marks=pytest.mark.long)], ids=["https", "root"])
def vo(request: pytest.FixtureRequest, stage: Stage, outcome: Outcome) -> world.DemoVO:
    """VOs whose caches read by the one and by the other protocol."""
    one: world.DemoVO = request.param
    return one


@pytest.fixture
def folder(stage: Stage, vo: world.DemoVO) -> Iterator[str]:
    """With files in it and in a folder below, that no cache has seen."""
    made = f"/{vo.name}/open/held-{secrets.token_hex(4)}"
    for one in (made, f"{made}/deep"):
        lakes.fill(stage, one, count=COUNT // 2, size=SIZE)
    yield made
    stage.cluster.do("delete", "cacheddatasets", "--all", "-n", "facility")
    lakes.remove(stage, made)


def paths(folder: str) -> list[str]:
    return [f"{one}/{number}" for one in (folder, f"{folder}/deep") for number in range(COUNT // 2)]


def wanted(stage: Stage, whose: world.DemoVO, *of: str, **more: Any) -> str:
    """The name of a dataset of these paths."""
    name = f"held-{secrets.token_hex(4)}"
    meta = {"name": name, "namespace": "facility"}
    spec = {"vo": whose.name, "paths": list(of), **more}
    kind = {"apiVersion": "analysis-facility.io/v1alpha1", "kind": "CachedDataset"}
    stage.cluster.apply({**kind, "metadata": meta, "spec": spec})
    return name


def status(stage: Stage, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.cluster.get("cacheddataset", name, "-n", "facility").get("status", {})
    return found


def until(stage: Stage, name: str, reason: str, seconds: float = TOLD, files: int = COUNT) -> dict[str, Any]:
    def so() -> bool:
        found = status(stage, name)
        return [one["reason"] for one in found.get("conditions", [])] == [reason] and found["files"] == files

    stage.cluster.wait_for(f"dataset {name} {reason}", so, seconds)
    return status(stage, name)


def test_it_is_brought_and_then_read_without_the_origin(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    found = until(stage, wanted(stage, vo, folder), "Complete")
    assert (found["presentFiles"], found["presentBytes"]) == (COUNT, COUNT * SIZE)
    before = lakes.sent(stage)
    assert [one[:2] for one in seen(stage, vo, "many", paths(folder), 4)] == [[200, SIZE]] * COUNT
    assert lakes.sent(stage) - before < COUNT * SIZE / 10, "but for a question whether each is still the same"
    assert f"{COUNT} of {COUNT} files" in stage.cluster.do("get", "cds", "-n", "facility")
    here = f"cat {places.CONFIG}/{places.DATASETS}"
    told = lambda: stage.cluster.execute("facility", f"xcache-{vo.name}-0", "xcache", ["sh", "-c", here])  # noqa: E731
    stage.cluster.wait_for("it to be wanted no more", lambda: told() == "", TOLD)


def test_the_limit_holds_and_what_is_beyond_is_told(stage: Stage, outcome: Outcome) -> None:
    vo, folder = world.CMS, f"/cms/open/limited-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=10, size=SIZE)
    try:
        name = wanted(stage, vo, folder, limit=str(3 * SIZE + 1))
        (condition,) = until(stage, name, "Complete", files=3)["conditions"]
        assert condition["message"] == "all 3 files are there; 7 more are past the limit"
    finally:
        stage.cluster.do("delete", "cacheddatasets", "--all", "-n", "facility")
        lakes.remove(stage, folder)


@pytest.mark.long
def test_pinned_ones_follow_what_becomes_of_them_at_the_origin(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    name = wanted(stage, vo, folder, pinned=True)
    until(stage, name, "Complete")
    lakes.fill(stage, folder, count=1, size=SIZE, first=100)
    lakes.put(stage, f"{folder}/0", 2 * SIZE)
    found = until(stage, name, "Complete", AGAIN, files=COUNT + 1)
    assert found["presentBytes"] == (COUNT + 2) * SIZE
    before = lakes.sent(stage)
    assert seen(stage, vo, "many", [f"{folder}/0", f"{folder}/100"], 2)[0][:2] == [200, 2 * SIZE]
    assert lakes.sent(stage) - before < SIZE / 2


def test_what_is_not_there_or_not_the_vos_is_told(stage: Stage, outcome: Outcome) -> None:
    missing = wanted(stage, world.CMS, "/cms/open/there/is/no/such")
    other = wanted(stage, world.CMS, "/atlas/open")
    try:
        (told,) = until(stage, other, "Refused", 30, files=0)["conditions"]
        assert "/atlas/open lies in no lake of VO cms" in told["message"]
        (told,) = until(stage, missing, "Incomplete", files=0)["conditions"]
        assert told["message"] == "/cms/open/there/is/no/such: there is no such path"
    finally:
        stage.cluster.do("delete", "cacheddatasets", "--all", "-n", "facility")


@pytest.mark.parametrize("spec", [{"paths": []}, {"paths": ["cms"]}, {"paths": ["/cms/.."]}, {"vo": "CMS"}])
def test_nonsense_is_refused_by_kubectl(stage: Stage, outcome: Outcome, spec: dict[str, Any]) -> None:
    with pytest.raises(ClusterError):
        wanted(stage, world.CMS, "/cms/open", **spec)


LARGE = 2_400_000_000  # more than the cache may hold


@pytest.mark.long
def test_what_is_pinned_stays_when_everything_else_goes(stage: Stage, outcome: Outcome) -> None:
    vo, folder = world.CMS, f"/cms/open/pinned-{secrets.token_hex(4)}"
    lakes.fill(stage, f"{folder}/kept", count=10, size=10_000_000)
    lakes.fill(stage, f"{folder}/other", count=10, size=10_000_000)
    lakes.put(stage, f"{folder}/large", LARGE)
    try:
        until(stage, wanted(stage, vo, f"{folder}/kept", pinned=True), "Complete", files=10)
        until(stage, wanted(stage, vo, f"{folder}/other"), "Complete", files=10)
        url = f"$LAKE_HTTPS{folder}/large"
        where = ("facility-users", PODS[vo.name], "notebook")
        stage.cluster.execute(
            *where, ["bash", "-c", f"curl -sf -K /etc/facility/curl/bearer {url} >/dev/null"], timeout=600
        )
        others = lambda: on_disk(stage, f"{folder}/other") == 0  # noqa: E731
        stage.cluster.wait_for("the others gone", others, 300)
        assert on_disk(stage, f"{folder}/kept") == 10
    finally:
        stage.cluster.do("delete", "cacheddatasets", "--all", "-n", "facility")
        lakes.remove(stage, folder)


def on_disk(stage: Stage, folder: str) -> int:
    """Files of the folder that the cache has."""
    program = (
        f"import pathlib, json; print(json.dumps(len(list(pathlib.Path('{places.DATA}{folder}').glob('[0-9]'))))) "
    )
    return int(json.loads(stage.cluster.execute("facility", "xcache-cms-0", "xcache", ["python3", "-c", program])))
