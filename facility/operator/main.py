"""`python3 -m facility.operator.main`: one replica of the operator. It stands by until it holds the lease, then works.

Environment: FACILITY_SITE, the file with the site's settings; LOG_LEVEL; OPERATOR_HEALTH_PORT and
OPERATOR_METRICS_PORT, unless they are 8080 and 9090. Whatever ends one of its parts ends the process, to be started
again: all that it knows is in the cluster, so it may end at any instant.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Coroutine
from pathlib import Path

from facility import site as sites
from facility.operator import serving
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.cordon import Cordon
from facility.operator.datasets import Datasets
from facility.operator.discovery import Discovery
from facility.operator.execute import Demand
from facility.operator.gauges import Gauges
from facility.operator.hosts import Hosts
from facility.operator.leader import Leader, LostError
from facility.operator.metrics import Metrics
from facility.operator.pods import BatchPods
from facility.operator.pool_metrics import Pool
from facility.operator.queues import DIRECTORY, Reader
from facility.operator.reconcile import Reconciler, World
from facility.site import Site

_LOG = logging.getLogger(__name__)
_PUBLIC = Path("/etc/ssl/certs/ca-certificates.crt")


async def operate(site: Site, cluster: Cluster, public: str, identity: str, stop: asyncio.Event) -> None:
    """Run until `stop`, or until a part fails: then all of it ends. Raises LostError when another replica works."""
    metrics = Metrics()
    cluster.observe = metrics.requested
    leader = Leader(cluster.unguarded(), site.namespaces.facility, identity)
    cluster.guard = leader.check
    hosts = Hosts(time.time)
    discovery = Discovery(ssl.create_default_context())
    world = World(cluster, site, discovery, hosts, time.time, public, identity)
    reconciler = Reconciler(world, metrics)
    metrics.registry.register(Gauges(reconciler, lambda: leader.held))
    try:
        async with serving.serving(metrics, lambda: leader.held, *_ports()):
            if await _first(stop.wait(), leader.acquire()):
                datasets = Datasets(cluster, site, reconciler.mirrors.datasets, world.now)
                parts = (
                    reconciler.run(),
                    _meet_demand(world, reconciler, metrics),
                    datasets.run(lambda: reconciler.served),
                )
                await _first(stop.wait(), leader.keep(), *parts)
    finally:
        await leader.release()
        await discovery.close()
        hosts.close()


async def _meet_demand(world: World, reconciler: Reconciler, metrics: Metrics) -> None:
    pods = BatchPods(world.cluster, world.site, lambda: metrics.watch_broke("Pod"))
    while True:
        try:
            await pods.refresh()
            break
        except ClusterError as error:
            _LOG.warning("waiting to know the execute pods: %s", error)
            await asyncio.sleep(2)
    site = world.site
    demand = Demand(world.cluster, site, world.now, lambda vo, key: Reader(site, key, world.now, DIRECTORY / vo), pods)
    demand.told = reconciler.recorder.tell
    metrics.registry.register(Pool(demand))
    async with asyncio.TaskGroup() as group:
        group.create_task(pods.run())
        group.create_task(demand.run(lambda: reconciler.served))
        if site.batch.drain_waits:
            group.create_task(Cordon(world.cluster, site).run())


async def _first(*parts: Coroutine[object, object, object]) -> bool:
    """Run them until one ends, and end the others; False if that was the first of them. Raises what it raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return tasks[0] not in done


def _ports() -> tuple[int, int]:
    known = (("OPERATOR_HEALTH_PORT", serving.HEALTH), ("OPERATOR_METRICS_PORT", serving.METRICS))
    health, metrics = (int(os.environ.get(name, default)) for name, default in known)
    return health, metrics


async def main(site: Site, public: str) -> None:
    """Connect and operate. `public`: the public certificate authorities, PEM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = await Cluster.connect()
    try:
        await operate(site, cluster, public, os.environ.get("POD_NAME") or socket.gethostname(), stop)
    finally:
        await cluster.close()


def start() -> None:
    """Set up the log, read the site's settings, run. The Kubernetes client never logs at debug: that prints Secrets."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the pool's key is in its memory, a core file would keep it
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("kubernetes_asyncio", "aiohttp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    site = sites.load(Path(os.environ.get("FACILITY_SITE", sites.DEFAULT_PATH)))
    try:
        asyncio.run(main(site, _PUBLIC.read_text()))
    except LostError as error:
        _LOG.warning("this replica ends: %s", error)
        sys.exit(1)


if __name__ == "__main__":
    start()
