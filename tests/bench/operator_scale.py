"""P10: the operator with a thousand VOs and ten thousand people, on the API server of the demo's cluster.

The operator runs outside of the cluster, in namespaces of its own, whose quotas let no pod and no volume come into
being: what is measured is the operator and the API server. The VOs' issuers are one https server of this process.

    python3 -m tests.bench.operator_scale [KUBECONFIG]

measures alone, without the other figures of `make bench PART=people`. P10_QUIET: seconds of the quiet time (300).
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

from kubernetes_asyncio import client, config

from facility.dev.cluster import kind, tools
from facility.dev.demo.kube import Cluster as Kubectl
from facility.dev.demo.mainjob import Stage
from facility.operator.cluster import Cluster
from facility.site import Images, Namespaces, Site
from tests.bench.figures import Row, row, table
from tests.bench.operator_process import Operator, operator, percentile, total, wait_until
from tests.bench.operator_world import VOS, Load, issuers

SPACES = Namespaces(facility="p10", users="p10-users", batch="p10-batch")
USERS, CHANGES = 10_000, 200
_PATIENCE = 1800


def measured(stage: Stage) -> dict[str, Row]:
    """The figures, from the demo's cluster; what was made for them is removed again."""
    return on(stage.cluster)


def on(kubectl: Kubectl) -> dict[str, Row]:
    """The figures, from any cluster that has the facility's CRDs."""
    try:
        _make_namespaces(kubectl)
        return asyncio.run(figures(kubectl.kubeconfig))
    finally:
        _remove(kubectl)


def _make_namespaces(kubectl: Kubectl) -> None:
    for space in (SPACES.facility, SPACES.users, SPACES.batch):
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "nothing-runs", "namespace": space},
            "spec": {"hard": {"pods": "0", "persistentvolumeclaims": "0"}},
        }
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        kubectl.apply(quota)


def _remove(kubectl: Kubectl) -> None:
    """The operator has let the VOs go by then, if it worked; if it did not, nothing is to hang on its finalizer."""
    for vo in kubectl.items("virtualorganizations", "-n", SPACES.facility):
        patch = ("--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        kubectl.do("patch", "virtualorganization", vo["metadata"]["name"], "-n", SPACES.facility, *patch)
    mine = ("-l", f"analysis-facility.io/facility={SPACES.facility}")
    kubectl.do("delete", "priorityclasses", *mine, "--wait=false")
    for space in (SPACES.users, SPACES.batch, SPACES.facility):
        kubectl.do("delete", "namespace", space, "--ignore-not-found", "--wait=false")


async def figures(kubeconfig: Path | None, vos: int = VOS, users: int = USERS) -> dict[str, Row]:
    """Converge, change, be quiet, remove."""
    settings = client.Configuration()
    await config.load_kube_config(str(kubeconfig) if kubeconfig else None, client_configuration=settings)
    cluster = Cluster(client.ApiClient(settings))
    try:
        with tempfile.TemporaryDirectory() as name:
            async with issuers(Path(name)) as (url, authority):
                load = Load(cluster, SPACES.facility, url, vos, users)
                await load.make()
                with operator(_site(authority), kubeconfig, Path(name)) as running:
                    return await _played(running, load)
    finally:
        await cluster.close()


def _site(authority: str) -> Site:
    images = {part: f"analysis-facility/{part}:p10" for part in ("facility", "hub", "notebook", "condor", "xcache")}
    return Site(
        namespaces=SPACES,
        images=Images(**images),
        public_url="https://hub.example.org",
        extra_trust=authority,
        removal_deadline=5,
    )


async def _played(running: Operator, load: Load) -> dict[str, Row]:
    beside = f"{load.vos} VOs, {load.users} people"
    ready = await _wait("all VOs ready", lambda: _settled(running, load.vos))
    rows = {"P10_converged_s": row(round(ready, 1), "s", beside=beside)}
    rows |= await _changed(running, load, beside)
    rows |= await _quiet(running, beside)
    now, highest = running.mebibytes()
    rows["P10_MiB"] = row(round(now, 1), "MiB", 250, beside)
    rows["P10_highest_MiB"] = row(round(highest, 1), "MiB", beside=beside)
    begun = time.monotonic()
    await load.remove()
    await _wait("all VOs removed", lambda: _settled(running, 0))
    rows["P10_removed_s"] = row(round(time.monotonic() - begun, 1), "s", beside=beside)
    return rows


def _settled(running: Operator, ready: int) -> bool:
    """Whether that many VOs are ready and no others there, and nothing is left to be done."""
    found = running.samples()
    served = total(found, "facility_operator_vos", 'ready="True"') == total(found, "facility_operator_vos") == ready
    return served and bool(found) and not total(found, "facility_operator_queue_depth")


async def _changed(running: Operator, load: Load, beside: str) -> dict[str, Row]:
    """Changes at random, one after the other, as fast as the API server takes them; and how soon one has its effect."""
    before = running.samples()
    chosen = random.Random(10)
    for number in range(CHANGES):
        await load.change(number, chosen)
        await asyncio.sleep(0.1)
    await _wait("the changes done", lambda: _settled(running, load.vos))
    after = running.samples()
    effects = sorted([await load.effect(number) for number in range(20)])
    slowest = percentile(before, after, 0.99)
    return {
        "P10_p99_s": row(round(slowest, 3), "s", 1, f"{CHANGES} changes, {beside}"),
        "P10_p50_s": row(round(percentile(before, after, 0.5), 4), "s", beside=beside),
        "P10_first_p99_s": row(round(percentile({}, before, 0.99), 3), "s", beside="all turns until all were ready"),
        "P10_effect_s": row(round(effects[len(effects) // 2], 2), "s", beside="a new person until in the map file"),
    }


async def _quiet(running: Operator, beside: str) -> dict[str, Row]:
    """Requests and CPU while nothing changes, begun watches and renewals of the lease among them."""
    seconds = float(os.environ.get("P10_QUIET", "300"))
    name = "facility_operator_api_requests_total"
    before, used = running.samples(), running.cpu()
    await asyncio.sleep(seconds)
    requests = total(running.samples(), name) - total(before, name)
    cpu = 100 * (running.cpu() - used) / seconds
    return {
        "P10_quiet_requests_per_min": row(round(requests * 60 / seconds, 1), "", beside=beside),
        "P10_quiet_cpu_percent": row(round(cpu, 1), "%", beside=beside),
    }


async def _wait(what: str, ask: Callable[[], bool]) -> float:
    return await asyncio.to_thread(wait_until, what, ask, _PATIENCE)


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["--only"]:  # namespaces and quotas are somebody else's matter
        found: Coroutine[object, object, dict[str, Row]] = figures(Path(arguments[1]), *map(int, arguments[2:]))
        print(table(asyncio.run(found)))
        return
    programs = tools.ensure(("kubectl", "helm"))
    kubeconfig = Path(arguments[0]) if arguments else kind.kubeconfig(kind.NAME)
    print(table(on(Kubectl(programs["kubectl"], programs["helm"], kubeconfig))))


if __name__ == "__main__":
    _main(sys.argv[1:])
