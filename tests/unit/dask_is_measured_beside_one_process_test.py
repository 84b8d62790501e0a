"""P11's own parts: what the notebook's kernel compares, and the larger files that it reads."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.dev.lake import analysis, made
from tests.bench import pool_dask
from tests.bench.pool_data import FOLDER, with_container

EVENTS = 2000
SHIPPED = Path(pool_dask.__file__).with_name("pool_analysis.py")
ORIGIN = Path(__file__).parents[2] / "charts" / "demo" / "templates" / "deployment-origin.yaml"


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file as it is in a kernel: beside `analysis`, outside of any package."""
    monkeypatch.syspath_prepend(str(Path(analysis.__file__).parent))
    monkeypatch.syspath_prepend(str(SHIPPED.parent))
    spec = spec_from_file_location("pool_analysis", SHIPPED)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lake")
    made.make(root / FOLDER.strip("/"), 3, EVENTS)
    return root


class Workers:
    """As many as asked for, of this process: what dask does with tasks, without its machinery."""

    def __init__(self, wrong: bool = False) -> None:
        self.wrong, self.asked = wrong, 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Any, tasks: list[Any], pure: bool) -> list[Any]:
        assert not pure, "what has been computed once would not be computed again"
        self.asked += len(tasks)
        return [work(task) for task in tasks]

    def gather(self, found: list[Any]) -> list[Any]:
        return found[:-1] if self.wrong else found


def paths() -> list[str]:
    return [f"{FOLDER}/{name}" for name in made.names(3)]


def test_all_events_of_all_files_are_read_once(shipped: Any) -> None:
    todo = shipped.tasks(["a", "b"], 11, 3)
    assert [one[0] for one in todo] == ["a"] * 3 + ["b"] * 3
    assert [event for _, start, stop in todo[:3] for event in range(start, stop)] == list(range(11))


def test_both_ways_are_timed_in_turns_after_the_files_are_in_the_cache(
    shipped: Any, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Workers()
    monkeypatch.setenv("LAKE_ROOT", f"{lake}/")
    found = shipped.compare(paths(), EVENTS, parts=2, workers=2, rounds=2, cluster=lambda count: workers)
    assert [len(found[name]) for name in ("alone_s", "together_s")] == [2, 2]
    assert workers.asked == 2 + 2 * 6


def test_another_histogram_is_no_figure(shipped: Any, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_ROOT", str(lake))
    with pytest.raises(AssertionError, match="another one"):
        shipped.compare(paths(), EVENTS, parts=2, workers=2, rounds=1, cluster=lambda count: Workers(wrong=True))


def test_the_share_is_of_as_many_times_faster_as_there_are_workers() -> None:
    found = {"cold_s": 50.0, "started_s": 9.0, "alone_s": [40.0, 41.0, 90.0], "together_s": [25.0, 26.0, 5.0]}
    rows = pool_dask.figures(found, workers=2)
    assert rows["P11"]["value"] == round(41 / 25 / 2, 2)
    assert rows["P11_times_faster"]["value"] == round(41 / 25, 2)


def test_files_are_written_beside_the_origin_by_a_container_as_walled_in_as_its_own() -> None:
    mounts = [{"name": "lake", "mountPath": "/data", "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}]
    walled: dict[str, Any] = {"allowPrivilegeEscalation": False}
    origin = {"name": "origin", "securityContext": walled, "volumeMounts": mounts}
    pod = {"metadata": {"name": "origin-1"}, "spec": {"containers": [origin], "ephemeralContainers": [{"name": "old"}]}}
    old, new = with_container(pod, "made-1", "demo:1", ["true"])["spec"]["ephemeralContainers"]
    assert old == {"name": "old"}
    assert new["securityContext"] == walled
    assert {"name": "lake", "mountPath": "/lake"} in new["volumeMounts"]
    assert len(pod["spec"]["ephemeralContainers"]) == 1


def test_the_demos_origin_has_what_that_container_needs() -> None:
    lines = [line for line in ORIGIN.read_text().splitlines() if "{{" not in line]
    spec = yaml.safe_load("\n".join(lines))["spec"]["template"]["spec"]
    (origin,) = (one for one in spec["containers"] if one["name"] == "origin")
    places = {mount["mountPath"]: mount["name"] for mount in origin["volumeMounts"]}
    assert {places["/data"], places["/tmp"]} <= {volume["name"] for volume in spec["volumes"]}
