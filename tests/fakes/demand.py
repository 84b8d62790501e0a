"""The part of an operator that turns waiting jobs into execute pods, with queues that answer what a test wants."""

from __future__ import annotations

import copy
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from facility.condor.amounts import Shape
from facility.condor.jobs import OwnerJobs, QueueError
from facility.condor.situation import Need
from facility.operator.cluster import Cluster
from facility.operator.execute import Demand
from facility.operator.pods import BatchPods
from facility.operator.secrets import manifest
from facility.operator.validate import ValidatedVO
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.fakes.apiserver import ApiServer
from tests.fakes.clock import Clock
from tests.fakes.operator_world import SITE, connected, user, vo
from tests.fakes.patience import PATIENCE

BATCH = "facility-batch"
KEY = b"k" * 64
#: when all objects of this API server are made
MADE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class Queue:
    """An access point's queue: what it answers, or that it does not."""

    def __init__(self) -> None:
        self.jobs: tuple[OwnerJobs, ...] = ()
        self.trouble = ""
        self.answering = threading.Event()
        self.answering.set()
        self.closed = 0
        self.asked = 0

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        self.asked += 1
        self.answering.wait(PATIENCE)
        if self.trouble:
            raise QueueError(self.trouble)
        return self.jobs

    def close(self) -> None:
        self.closed += 1


def served(
    name: str = "cms", people: tuple[str, ...] = ("alice",), suspended: bool = False, **batch: Any
) -> ValidatedVO:
    made = VirtualOrganization.parse(vo(name, f"https://{name}.example.org", batch=batch, suspended=suspended))
    return ValidatedVO(made, tuple(FacilityUser.parse(user(one, name, 20000)) for one in people))


JOB = Shape(1, 500, 100)


def idle(owner: str = "cms_alice", count: int = 2, shape: Shape = JOB) -> tuple[OwnerJobs, ...]:
    return (OwnerJobs(owner, idle=count, needs=(Need(shape, count),)),)


def working(pod: str, owner: str = "cms_alice", waiting: int = 0) -> tuple[OwnerJobs, ...]:
    """Two jobs run in a pod, and others wait."""
    needs = (Need(JOB, waiting),) if waiting else ()
    return (OwnerJobs(owner, idle=waiting, running=2, needs=needs, working={pod: Shape(2, 1000, 200)}),)


def access_point(name: str, phase: str = "Running") -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/component": "access-point",
        "app.kubernetes.io/managed-by": "facility-operator",
        "analysis-facility.io/vo": name,
    }
    meta = {"name": f"ap-{name}-0", "namespace": BATCH, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"phase": phase}}


class Here:
    def __init__(self, api: ApiServer, cluster: Cluster) -> None:
        self.api, self.cluster, self.clock = api, cluster, Clock(MADE)
        self.queues: dict[str, Queue] = {"cms": Queue(), "atlas": Queue()}
        self.pods = BatchPods(cluster, SITE)
        self.demand = Demand(cluster, SITE, self.clock, lambda name, _key: self.queues[name], self.pods, period=0.2)
        api.put(manifest(BATCH, "pool-key", {"POOL": KEY}))
        for name in self.queues:
            api.put(access_point(name))

    async def once(self, *vos: ValidatedVO) -> set[str]:
        await self.pods.refresh()
        await self.demand.once(vos)
        return self.execute_pods()

    def execute_pods(self) -> set[str]:
        return {name for name in self.api.names("Pod", BATCH) if name.startswith("ep-")}

    def another(self, **batch: Any) -> Demand:
        """The next operator, which knows what is in the cluster; `batch`: settings of the site."""
        site = SITE.model_copy(update={"batch": SITE.batch.model_copy(update=batch)})
        return Demand(self.cluster, site, self.clock, lambda name, _key: self.queues[name], self.pods, period=0.2)

    def annotations(self, name: str) -> dict[str, str]:
        return dict(self.api.get("Pod", name, BATCH)["metadata"]["annotations"])

    def fares(self, name: str = "cms-alice") -> dict[str, Any]:
        """What a person's object says of their jobs."""
        return dict(self.api.get("FacilityUser", name)["status"]["batch"])

    def starts(self, name: str) -> None:
        self._becomes(name, {"phase": "Running", "conditions": self._true(name)})

    def gets_a_node(self, name: str, stalled: str = "ContainerCreating") -> None:
        """Now; `stalled`: why its container does not run, as the kubelet says."""
        found = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._time()}
        state = {"waiting": {"reason": stalled}}
        status = {"phase": "Pending", "conditions": [found], "containerStatuses": [{"name": "execute", "state": state}]}
        self._becomes(name, status, node="one")

    def finds_no_room(self, name: str) -> None:
        why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        self._becomes(name, {"phase": "Pending", "conditions": [why]})

    def end(self, name: str, phase: str) -> None:
        state = {"terminated": {"finishedAt": self._time()}}
        ended = [{"name": "execute", "state": state}]
        self._becomes(name, {"phase": phase, "conditions": self._true(name), "containerStatuses": ended})

    def _true(self, name: str) -> list[dict[str, Any]]:
        """Conditions that go on."""
        known = self.api.get("Pod", name, BATCH).get("status", {}).get("conditions", [])
        return [one for one in known if one["status"] == "True"]

    def _time(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _becomes(self, name: str, status: dict[str, Any], node: str = "") -> None:
        """As the kubelet says it; the label makes it a change for this API server, which keeps a status on `put`."""
        pod = copy.deepcopy(self.api.get("Pod", name, BATCH))
        pod["metadata"]["labels"]["phase"] = status["phase"]
        pod["spec"] |= {"nodeName": node} if node else {}
        self.api.put(pod)
        self.api.objects["v1", BATCH, "pods", name] |= {"status": status}


@asynccontextmanager
async def demanding() -> AsyncIterator[Here]:
    """All of it, with two access points."""
    async with ApiServer() as api, connected(api) as cluster:
        yield Here(api, cluster)
