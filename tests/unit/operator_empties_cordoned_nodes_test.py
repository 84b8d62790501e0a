"""Execute pods on a cordoned node are told to leave, those elsewhere and those that leave already are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facility import names
from facility.operator.cluster import ClusterError
from facility.operator.cordon import Cordon
from tests.fakes.operator_world import SITE, World, world


def pod(name: str, node: str, component: str = "execute", phase: str = "Running", **annotations: str) -> dict[str, Any]:
    marks = {names.LABEL_COMPONENT: component, names.LABEL_MANAGED_BY: names.OPERATOR}
    meta: dict[str, Any] = {"name": name, "namespace": "facility-batch", "labels": marks}
    meta["annotations"] = {f"{names.API_GROUP}/{key}": value for key, value in annotations.items()}
    kind = {"apiVersion": "v1", "kind": "Pod"}
    return kind | {"metadata": meta, "spec": {"nodeName": node}, "status": {"phase": phase}}


def node(name: str, *, cordoned: bool) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": cordoned}}


def told(here: World) -> dict[str, str]:
    """Why which pods should leave."""
    found = {one["metadata"]["name"]: one["metadata"]["annotations"] for one in here.api.all("Pod", "facility-batch")}
    return {name: marks[names.ANNOTATION_RETIRE] for name, marks in found.items() if names.ANNOTATION_RETIRE in marks}


async def test_working_execute_pods_of_a_cordoned_node_are_told_to_leave(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.api.put(node("old", cordoned=True))
        here.api.put(node("new", cordoned=False))
        for one in (
            pod("ep-a", "old"),
            pod("ep-b", "new"),
            pod("ep-c", "old", phase="Succeeded"),
            pod("ep-d", "old", retire="beyond its share"),
            pod("ap-cms-0", "old", component="access-point"),
        ):
            here.api.put(one)
        await Cordon(here.cluster, SITE).once()
        assert told(here) == {"ep-a": "node old is to be emptied", "ep-d": "beyond its share"}
        before = len(here.api.requests)
        await Cordon(here.cluster, SITE).once()
        assert {method for method, _ in here.api.requests[before:]} == {"GET"}


async def test_what_the_api_server_refuses_is_an_error_of_that_round_only(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.api.put(node("old", cordoned=True))
        here.api.put(pod("ep-a", "old"))

        def refuse() -> None:
            raise ClusterError("another replica works")

        here.cluster.guard = refuse
        with pytest.raises(ClusterError, match="another replica"):
            await Cordon(here.cluster, SITE).once()
        here.cluster.guard = lambda: None
        await Cordon(here.cluster, SITE).once()
        assert "ep-a" in told(here)
