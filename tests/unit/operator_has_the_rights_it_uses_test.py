"""The chart's roles give the operator each right that its requests need: seen from the requests themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.condor.amounts import Shape
from facility.condor.jobs import OwnerJobs
from facility.condor.situation import Need
from facility.operator.cordon import Cordon
from facility.operator.datasets import Datasets
from facility.operator.execute import Demand
from facility.operator.leader import Leader
from facility.operator.pods import BatchPods
from tests.fakes.operator_world import SITE, World, dataset, user, world

TEMPLATES = Path(__file__).parents[2] / "charts/operator/templates"
ROLES = {
    "facility": "role-facility.yaml",
    "facility-batch": "role-batch.yaml",
    "facility-users": "role-users.yaml",
    "": "clusterrole.yaml",
}

#: kinds that lie in no namespace
NOWHERE = ("priorityclasses", "nodes")
#: listed now and then, and not watched
LOOKED_AT = ("facility-users/pods", "/nodes")


def rules(namespace: str) -> list[dict[str, Any]]:
    text = (TEMPLATES / ROLES[namespace]).read_text()
    plain = "".join(line for line in text.splitlines(keepends=True) if not line.strip().startswith("{{- "))
    found: list[dict[str, Any]] = yaml.safe_load(plain[plain.index("rules:") :])["rules"]
    return found


def needed(method: str, path: str) -> set[tuple[str, str, str]]:
    """(namespace, resource, verb) of a request. A server-side apply may have to create; what is listed is watched."""
    namespace, resource, *name = f"/{path}".split("/") if path.startswith(NOWHERE) else path.split("/")
    if resource == "cacheddatasets" and method == "PATCH":
        return {(namespace, f"{resource}/status", "patch")}
    custom = resource in ("facilityusers", "virtualorganizations")
    if custom and method == "PATCH":
        return {(namespace, resource, "patch"), (namespace, f"{resource}/status", "patch")}
    verbs = {
        "GET": {"get"} if name else {"list"} if f"{namespace}/{resource}" in LOOKED_AT else {"list", "watch"},
        "POST": {"create"},
        "DELETE": {"delete"},
        "PATCH": {"patch"} if resource in ("pods", "leases") else {"patch", "create"},
    }
    return {(namespace, resource, verb) for verb in verbs[method]}


class Queue:
    """A queue in which alice waits."""

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        return (OwnerJobs("cms_alice", idle=1, needs=(Need(Shape(1, 100, 100), 1),)),)

    def close(self) -> None:
        """There is nothing to close."""


async def silent(url: str) -> list[Any]:
    """A cache that knows of no dataset."""
    return []


async def used(directory: Path) -> set[tuple[str, str, str]]:
    """What the operator asks for when a VO comes, its person works, and the VO goes."""
    async with world(directory) as here:
        here.add_vo("cms")
        here.api.put(user("alice"))
        here.api.put(dataset("run2026"))
        await here.reconcile()
        mirrors = here.reconciler.mirrors
        await Datasets(here.cluster, SITE, mirrors.datasets, here.clock, silent).once(here.reconciler.served)
        here.api.put(pod("ap-cms-0", "access-point", "cms") | {"status": {"phase": "Running"}})
        await execute_pods(here)
        here.api.put(pod("cm-0", "cm"))
        await closed_and_removed(here)
        leader = Leader(here.cluster.unguarded(), "facility", "me")
        await leader.acquire()
        await leader.release()
        requests = here.api.requests
    return {one for method, path in requests for one in needed(method, path)}


async def execute_pods(here: World) -> None:
    pods = BatchPods(here.cluster, SITE)
    await pods.refresh()
    here.api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "old"}, "spec": {"unschedulable": True}})
    await Cordon(here.cluster, SITE).once()
    await Demand(here.cluster, SITE, here.clock, lambda _vo, _key: Queue(), pods).once(here.reconciler.served)


async def closed_and_removed(here: World) -> None:
    here.add_vo("cms", suspended=True)
    await here.reconcile()
    await execute_pods(here)
    here.api.remove("VirtualOrganization", "cms")
    await here.reconcile()


def pod(name: str, component: str, vo: str = "") -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": component, "app.kubernetes.io/managed-by": "facility-operator"}
    meta = {"name": name, "namespace": "facility-batch", "labels": labels | {"analysis-facility.io/vo": vo}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


async def test_every_request_is_within_the_roles(tmp_path: Path) -> None:
    for namespace, resource, verb in sorted(await used(tmp_path)):
        allowed = any(resource in rule["resources"] and verb in rule["verbs"] for rule in rules(namespace))
        assert allowed, f"{verb} {resource} in {namespace} is not in charts/operator"


@pytest.mark.parametrize("namespace", ROLES)
def test_no_role_gives_everything(namespace: str) -> None:
    for rule in rules(namespace):
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])


async def test_the_operator_writes_no_workload_among_users(tmp_path: Path) -> None:
    written = {
        resource
        for namespace, resource, verb in await used(tmp_path)
        if namespace == "facility-users" and verb not in ("list", "watch")
    }
    assert written <= {"configmaps", "networkpolicies", "resourcequotas"}
