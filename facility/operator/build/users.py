"""The walls around a VO's user pods: to what is theirs, to the outside, and to nobody else inside."""

from __future__ import annotations

from typing import Any

from facility import names
from facility.operator.build.common import metadata
from facility.operator.build.network import METADATA, dns, peer, policy
from facility.operator.objects import NETWORK_POLICY, Manifest
from facility.site import Site
from facility.vo import VirtualOrganization

_COMPONENT = "notebook"
_SERVER_PORT = 8888  # the single-user server's
#: not the outside: private networks (RFC 1918, 6598, 4193), where clusters have their pods, services and API servers
#: and sites their machines, and link-local addresses with the metadata service
_INSIDE_4 = ("10.0.0.0/8", "100.64.0.0/10", METADATA, "172.16.0.0/12", "192.168.0.0/16")
_INSIDE_6 = ("fc00::/7", "fe80::/10")


def user_policies(vo: VirtualOrganization, site: Site) -> list[Manifest]:
    """The NetworkPolicies of a VO's user pods, in the users' namespace."""
    return [
        {
            "apiVersion": NETWORK_POLICY.api_version,
            "kind": NETWORK_POLICY.kind,
            "metadata": metadata(f"notebook-{vo.name}", site.namespaces.users, _COMPONENT, vo.name),
            "spec": policy(
                {names.LABEL_COMPONENT: _COMPONENT, names.LABEL_VO: vo.name},
                ingress=[_callers(site)],
                egress=[dns(), *_inside(vo, site), _outside()],
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


def _outside() -> dict[str, Any]:
    blocks = (("0.0.0.0/0", _INSIDE_4), ("::/0", _INSIDE_6))
    return {"to": [{"ipBlock": {"cidr": cidr, "except": list(inside)}} for cidr, inside in blocks]}
