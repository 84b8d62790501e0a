"""`python3 -m facility.operator.main`: watches with kopf, reconciles and meets demand in two loops beside it.

kopf only tells that something has changed (event handlers): no finalizers, so nobody's `kubectl delete` ever hangs on
an operator that is away, and no annotations on the objects.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from pathlib import Path
from typing import Any

import kopf

from facility import names
from facility import site as sites
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.discovery import Discovery
from facility.operator.execute import Demand
from facility.operator.objects import VIRTUAL_ORGANIZATION
from facility.operator.queues import DIRECTORY, Reader
from facility.operator.reconcile import Reconciler
from facility.operator.trigger import Trigger
from facility.site import Site

_LOG = logging.getLogger(__name__)
_PUBLIC = Path("/etc/ssl/certs/ca-certificates.crt")
_LIVENESS = "http://0.0.0.0:8080/healthz"
#: Secrets that change all the time or are the operator's own are nobody's client
_SECRETS = f"{names.API_GROUP}/component!=session,{names.LABEL_COMPONENT}!=tls,owner!=helm"


def registry(trigger: Trigger) -> kopf.OperatorRegistry:
    """What is watched: VOs, people, and the Secrets with VOs' clients."""
    watched = kopf.OperatorRegistry()

    async def changed(event: Any, **_: Any) -> None:
        trigger.observe(event["type"], event["object"])

    for plural in ("virtualorganizations", "facilityusers"):
        kopf.on.event(names.API_GROUP, names.API_VERSION, plural, id=plural, registry=watched)(changed)
    kopf.on.event("", "v1", "secrets", id="secrets", registry=watched)(changed)
    kopf.on.login(id="login", registry=watched)(_login)
    return watched


def _login(**known: Any) -> kopf.ConnectionInfo | None:
    """As the pod's ServiceAccount, or as whoever runs the operator outside a cluster; again whenever that expires."""
    return kopf.login_with_service_account(**known) or kopf.login_with_kubeconfig(**known)


def settings() -> kopf.OperatorSettings:
    """kopf without anything it would write to the cluster, and with limits of time."""
    result = kopf.OperatorSettings()
    result.posting.enabled = False
    result.scanning.disabled = True
    result.watching.connect_timeout = 5
    result.watching.server_timeout = 300
    result.watching.client_timeout = 330
    result.watching.label_selectors["", "v1", "secrets"] = _SECRETS
    result.networking.request_timeout = 30
    return result


async def operate(site: Site, cluster: Cluster, public: str) -> None:
    """Run until a signal comes, or until a part fails: then all of it ends, to be started again."""
    trigger = Trigger()
    discovery = Discovery(ssl.create_default_context(), time.time)
    reconciler = Reconciler(cluster, site, discovery, time.time, public)
    demand = Demand(cluster, site, time.time, lambda vo, key: Reader(site, key, time.time, DIRECTORY / vo))
    await _objects_known(cluster, site)
    watching = kopf.operator(
        registry=registry(trigger),
        settings=settings(),
        namespaces=[site.namespaces.facility],
        standalone=True,
        liveness_endpoint=_LIVENESS,
    )
    parts = (watching, reconciler.run(trigger), demand.run(lambda: reconciler.served))
    tasks = [asyncio.ensure_future(part) for part in parts]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        if not task.cancelled():  # as kopf does to whatever it finds in the loop, when it ends on a signal
            task.result()


async def _objects_known(cluster: Cluster, site: Site) -> None:
    """Wait for the CRDs: kopf looks for them once, when it starts."""
    while True:
        try:
            await cluster.list(VIRTUAL_ORGANIZATION, site.namespaces.facility)
            return
        except ClusterError as error:
            _LOG.warning("waiting for the API server and the CRDs: %s", error)
            await asyncio.sleep(2)


async def main(site: Site, public: str) -> None:
    """Connect and operate. `public`: the public certificate authorities, PEM."""
    cluster = await Cluster.connect()
    try:
        await operate(site, cluster, public)
    finally:
        await cluster.close()


def start() -> None:
    """Set up the log, read the site's settings, run. The Kubernetes client never logs at debug: that prints Secrets."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("kubernetes_asyncio", "kopf", "aiohttp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    site = sites.load(Path(os.environ.get("FACILITY_SITE", sites.DEFAULT_PATH)))
    asyncio.run(main(site, _PUBLIC.read_text()))


if __name__ == "__main__":
    start()
