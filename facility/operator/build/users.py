"""The walls around a VO's user pods: to what is theirs, to the outside, and to nobody else inside."""

from __future__ import annotations

from typing import Any

from facility import names
from facility.operator.build.common import metadata
from facility.operator.build.network import Addresses, dns, listed, peer, policy, public
from facility.operator.objects import NETWORK_POLICY, Manifest
from facility.site import Site
from facility.vo import VirtualOrganization

_COMPONENT = "notebook"
_SERVER_PORT = 8888  # the single-user server's


def user_policies(vo: VirtualOrganization, site: Site, addresses: Addresses | None = None) -> list[Manifest]:
    """The NetworkPolicies of a VO's user pods, in the users' namespace. `addresses`: of the hosts that it lists."""
    network = vo.spec.network
    outside = [public()] if network.outside == "Public" else []
    return [
        {
            "apiVersion": NETWORK_POLICY.api_version,
            "kind": NETWORK_POLICY.kind,
            "metadata": metadata(f"notebook-{vo.name}", site.namespaces.users, _COMPONENT, vo.name),
            "spec": policy(
                {names.LABEL_COMPONENT: _COMPONENT, names.LABEL_VO: vo.name},
                ingress=[_callers(site)],
                egress=[dns(), *_inside(vo, site), *outside, *listed(network, addresses or {})],
            ),
        }
    ]


def _callers(site: Site) -> dict[str, Any]:
    """Browsers come through the proxy; the hub looks whether a server has started. People do not reach each other."""
    facility = site.namespaces.facility
    return {"from": [peer(facility, "proxy"), peer(facility, "hub")], "ports": [{"port": _SERVER_PORT}]}


def _inside(vo: VirtualOrganization, site: Site) -> list[dict[str, Any]]:
    """Hub and broker; the VO's own cache, access point and execute pods, as far as it has them; the collector."""
    facility, batch = site.namespaces.facility, site.namespaces.batch
    ways = [_way(names.HUB_PORT, peer(facility, "hub")), _way(names.BROKER_PORT, peer(facility, "broker"))]
    if vo.spec.lakes:
        ways.append(_way(names.XROOTD_PORT, peer(facility, "xcache", vo.name)))
    if vo.spec.batch.enabled:
        # execute pods for condor_tail and condor_ssh_to_job
        pool = [peer(batch, "access-point", vo.name), peer(batch, "execute", vo.name), peer(batch, "cm")]
        ways.append(_way(names.CONDOR_PORT, *pool))
    return ways


def _way(port: int, *peers: dict[str, Any]) -> dict[str, Any]:
    return {"to": list(peers), "ports": [{"port": port}]}
