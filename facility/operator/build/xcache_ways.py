"""How a VO's caches are reached, and by whom: Services, the wall around them, and how many may leave at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from facility import names
from facility.operator.build.common import manifest, metadata
from facility.operator.build.network import anywhere, dns, everybody, peer, policy
from facility.operator.objects import NETWORK_POLICY, POD_DISRUPTION_BUDGET, SERVICE, Manifest
from facility.site import Site
from facility.vo import VirtualOrganization
from facility.xcache import places

COMPONENT = "xcache"
#: set by Kubernetes on each pod of a StatefulSet
_POD_NAME = "statefulset.kubernetes.io/pod-name"


def ways(vo: VirtualOrganization, site: Site, meta: dict[str, Any]) -> Iterator[Manifest]:
    """All of it. meta: of what is there once."""
    yield _network_policy(vo, site, meta)
    yield _service(vo, meta)
    if vo.spec.cache.replicas > 1:
        yield from _replicas(vo, site, meta)


def selector(vo: VirtualOrganization) -> dict[str, str]:
    """Labels by which the pods are chosen."""
    return {names.LABEL_COMPONENT: COMPONENT, names.LABEL_VO: vo.name}


def _service(vo: VirtualOrganization, meta: dict[str, Any]) -> Manifest:
    """One for all replicas. Who came to one comes to it again: what they wait for (staging) is known there alone."""
    ports = [
        {"name": "xrootd", "port": names.XROOTD_PORT, "targetPort": names.XROOTD_PORT},
        {"name": "metrics", "port": places.METRICS_PORT},
    ]
    again = {"sessionAffinity": "ClientIP"} if vo.spec.cache.replicas > 1 else {}
    return manifest(SERVICE, meta, spec={"selector": selector(vo), "ports": ports, **again})


def _replicas(vo: VirtualOrganization, site: Site, meta: dict[str, Any]) -> Iterator[Manifest]:
    """Of several: a Service of each, so that readers and the others find it, also after it has moved; and what keeps a
    drained node from ending a second one before the first is back."""
    space = site.namespaces.facility
    for name in names.xcache_replicas(vo.name, vo.spec.cache.replicas):
        chosen = {**selector(vo), _POD_NAME: name}
        ports = [{"name": "xrootd", "port": names.XROOTD_PORT}, {"name": "metrics", "port": places.METRICS_PORT}]
        yield manifest(SERVICE, metadata(name, space, COMPONENT, vo.name), spec={"selector": chosen, "ports": ports})
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector(vo)},
    }
    yield manifest(POD_DISRUPTION_BUDGET, meta, spec=spec)


def _network_policy(vo: VirtualOrganization, site: Site, meta: dict[str, Any]) -> Manifest:
    """The VO's notebooks and jobs may come; what their tokens open is the cache's own decision.

    Out it goes to the broker, the origin and the issuer. Where the latter two are cannot be said by pod labels, and
    not by port either, as policies see the port behind a Service.
    """
    spaces = site.namespaces
    readers = [peer(spaces.users, "notebook", vo.name), peer(spaces.batch, "execute", vo.name)]
    if vo.spec.cache.replicas > 1:
        readers.append(peer(spaces.facility, COMPONENT, vo.name))  # each other
    broker = {"to": [peer(spaces.facility, "broker")], "ports": [{"port": names.BROKER_PORT}]}
    who = [
        peer(spaces.facility, "hub"),
        peer(spaces.facility, "operator"),
        *(everybody(name) for name in site.cache.metrics_from),
    ]
    metrics = {"from": who, "ports": [{"port": places.METRICS_PORT}]}
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": meta,
        "spec": policy(
            selector(vo),
            ingress=[{"from": readers, "ports": [{"port": names.XROOTD_PORT}]}, metrics],
            egress=[dns(), broker, anywhere()],
        ),
    }
