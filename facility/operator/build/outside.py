"""Ways in for people's own machines, where the site has them: a Service beside a VO's cache, one beside its queue.

Whoever comes has to prove the same as inside, by a token. Services keep the callers' addresses, by which the walls tell
them from pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from facility import names
from facility.operator.build.common import manifest, metadata
from facility.operator.build.network import from_outside, policy
from facility.operator.objects import NETWORK_POLICY, SERVICE, Manifest
from facility.site import Outside, Site
from facility.vo import VirtualOrganization

#: read by external-dns, where a site has it
_HOST_NAME = "external-dns.alpha.kubernetes.io/hostname"


def outside(vo: VirtualOrganization, site: Site) -> Iterator[Manifest]:
    """Service and NetworkPolicy for each; nothing where the site offers none, or the VO is closed."""
    way = site.outside
    if way is None or vo.closed:
        return
    if vo.spec.lakes:
        yield from _way(way, vo, names.xcache(vo.name), site.namespaces.facility, "xcache", names.XROOTD_PORT)
    if vo.spec.batch.enabled:
        yield from _way(way, vo, names.access_point(vo.name), site.namespaces.batch, "access-point", names.CONDOR_PORT)


def _way(
    way: Outside, vo: VirtualOrganization, service: str, namespace: str, component: str, port: int
) -> Iterator[Manifest]:
    selector = {names.LABEL_COMPONENT: component, names.LABEL_VO: vo.name}
    meta = metadata(f"{service}-outside", namespace, component, vo.name)
    named = {_HOST_NAME: f"{service}.{way.domain}", **way.annotations}
    entry = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": selector,
        "ports": [{"name": "outside", "port": port, "targetPort": port, "protocol": "TCP"}],
    } | ({"loadBalancerSourceRanges": list(way.networks)} if way.networks else {})
    wall = policy(selector, ingress=[{"from": from_outside(way.networks), "ports": [{"port": port}]}])
    yield manifest(SERVICE, {**meta, "annotations": named}, spec=entry)
    yield manifest(NETWORK_POLICY, meta, spec=wall)
