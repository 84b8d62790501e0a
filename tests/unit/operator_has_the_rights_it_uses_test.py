"""The chart's roles give the operator each right that its requests need: seen from the requests themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.condor.jobs import OwnerJobs
from facility.operator.execute import Demand
from tests.fakes.operator_world import SITE, user, world

TEMPLATES = Path(__file__).parents[2] / "charts/operator/templates"
ROLES = {"facility": "role-facility.yaml", "facility-batch": "role-batch.yaml", "facility-users": "role-users.yaml"}


def rules(namespace: str) -> list[dict[str, Any]]:
    text = (TEMPLATES / ROLES[namespace]).read_text()
    found: list[dict[str, Any]] = yaml.safe_load(text[text.index("rules:") :])["rules"]
    return found


def needed(method: str, path: str, status: bool) -> set[tuple[str, str, str]]:
    """(namespace, resource, verb) of a request. A server-side apply may have to create."""
    namespace, resource, *name = path.split("/")
    if status:
        return {(namespace, f"{resource}/status", "patch")}
    custom = resource in ("facilityusers", "virtualorganizations")
    verbs = {
        "GET": {"get"} if name else {"list"},
        "POST": {"create"},
        "DELETE": {"delete"},
        "PATCH": {"patch"} if custom or resource == "pods" else {"patch", "create"},
    }
    return {(namespace, resource, verb) for verb in verbs[method]}


class Queue:
    """A queue in which alice waits."""

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        return (OwnerJobs("cms_alice", idle=1, waiting_since=1.0),)

    def close(self) -> None:
        """There is nothing to close."""


async def used(directory: Path) -> set[tuple[str, str, str]]:
    """What the operator asks for when a VO comes, its person works, and the VO goes."""
    async with world(directory) as here:
        here.add_vo("cms")
        here.api.put(user("alice"))
        await here.reconcile()
        demand = Demand(here.cluster, SITE, here.clock, lambda _vo, _key: Queue())
        await demand.once(here.reconciler.served)
        labels = {"app.kubernetes.io/component": "cm"}
        meta = {"name": "cm-0", "namespace": "facility-batch", "labels": labels}
        here.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
        here.api.remove("VirtualOrganization", "cms")
        await here.reconcile()
        requests = here.api.requests
    return {one for method, path in requests for one in needed(method, path, "virtualorganizations/" in path)}


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
        if namespace == "facility-users" and verb != "list"
    }
    assert written <= {"configmaps", "networkpolicies", "resourcequotas"}
