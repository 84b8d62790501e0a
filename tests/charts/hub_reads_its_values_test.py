"""What the chart writes for the hub is what the hub reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from facility.hub.values import Values
from tests.charts.rendering import Case, Charts, cases

HUB = [case for case in cases() if case.chart == "hub"]


def read(charts: Charts, case: Case) -> Values:
    (one,) = [one for one in charts.objects(case) if one["metadata"]["name"] == "hub-values"]
    return Values.model_validate(yaml.safe_load(one["data"]["values.yaml"]))


def hub(charts: Charts, case: Case) -> dict[str, Any]:
    """The hub's pod."""
    (one,) = [one for one in charts.objects(case) if (one["kind"], one["metadata"]["name"]) == ("Deployment", "hub")]
    template: dict[str, Any] = one["spec"]["template"]
    return template


def case(name: str) -> Case:
    (found,) = [one for one in HUB if name in str(one)]
    return found


@pytest.mark.parametrize("one", HUB, ids=str)
def test_the_hub_takes_what_the_chart_writes(charts: Charts, one: Case) -> None:
    assert read(charts, one)


def test_the_charts_defaults_are_the_hubs(charts: Charts) -> None:
    written = read(charts, case("minimal"))
    tolerations = written.scheduling.user_pods.tolerations
    assert [one["value"] for one in tolerations] == ["user", "user"]
    ours = Values().model_dump()
    ours["scheduling"]["user_pods"]["tolerations"] = tolerations
    there = written.model_dump()
    lists = ("init_containers", "extra_containers")
    for found in (ours, there):  # an empty list of names is an empty dictionary of them
        found["singleuser"] |= {name: list(found["singleuser"][name]) for name in lists}
        storage = found["singleuser"]["storage"]
        storage |= {name: list(storage[name]) for name in ("extra_volumes", "extra_volume_mounts")}
    assert there == ours


def test_other_values_start_the_hub_anew(charts: Charts) -> None:
    sums = {hub(charts, one)["metadata"]["annotations"]["checksum/values"] for one in HUB}
    assert len(sums) == len(HUB) - 1  # two of them differ only in what is not the hub's own


def test_the_databases_password_is_a_file_and_its_volume_goes_with_sqlite(charts: Charts) -> None:
    spec = hub(charts, case("postgres"))["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert volumes["secrets"]["projected"]["sources"] == [
        {"secret": {"name": "hub-secrets"}},
        {"secret": {"name": "hub-database", "items": [{"key": "password", "path": "database-password"}]}},
    ]
    assert "database" not in volumes
    assert "PersistentVolumeClaim" not in {one["kind"] for one in charts.objects(case("postgres"))}
    assert "database" in {one["name"] for one in hub(charts, case("minimal"))["spec"]["volumes"]}
