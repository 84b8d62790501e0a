"""Parts of network policies (networking.k8s.io/v1). Every namespace denies by default; a part opens what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from facility import names
from facility.operator import metadata
from facility.vo import Destination, Network

Addresses = Mapping[str, Sequence[str]]
#: what is to be reached nowhere but inside: private networks (RFC 1918, 6598, 4193), where clusters have their pods,
#: services and API servers and sites their machines, and link-local addresses
_INSIDE = {
    "0.0.0.0/0": ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    "::/0": ("fc00::/7", "fe80::/10"),
}
_TCP = [{"protocol": "TCP"}]


def peer(namespace: str, component: str, vo: str = "", owner: str = "") -> dict[str, Any]:
    """Pods of a component in a namespace, of one VO and of one owner if they are named."""
    return everybody(namespace) | {"podSelector": {"matchLabels": marks(component, vo, owner)}}


def marks(component: str, vo: str = "", owner: str = "") -> dict[str, str]:
    """The labels by which such pods are known."""
    wanted = {names.LABEL_COMPONENT: component, names.LABEL_VO: vo, names.LABEL_OWNER: owner}
    return {label: value for label, value in wanted.items() if value}


def everybody(name: str) -> dict[str, Any]:
    """All pods of the namespace of that name."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def dns() -> dict[str, Any]:
    """Way to the cluster's DNS, wherever the site runs it."""
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {"to": [{"namespaceSelector": {}}], "ports": ports}


def anywhere() -> dict[str, Any]:
    """Way to any TCP service but the metadata services."""
    return {"to": [_block(cidr) for cidr in _INSIDE], "ports": _TCP}


def public() -> dict[str, Any]:
    """Way to all public addresses, and to none of a private network."""
    return {"to": [_block(cidr, inside) for cidr, inside in _INSIDE.items()]}


def from_outside(networks: Sequence[str]) -> list[dict[str, Any]]:
    """Who comes from these networks; from any public address where none is named, and from no pod."""
    return [_block(cidr) for cidr in networks] or [_block(cidr, inside) for cidr, inside in _INSIDE.items()]


def listed(network: Network, addresses: Addresses) -> list[dict[str, Any]]:
    """Ways to what a VO lists. A host without an address gets none: a rule without a peer would be one for all.

    addresses: IP addresses by host name.
    """
    ways = ((_blocks(place, addresses), place.ports) for place in network.allow)
    return [{"to": blocks, "ports": _ports(ports)} for blocks, ports in ways if blocks]


def _blocks(place: Destination, addresses: Addresses) -> list[dict[str, Any]]:
    if place.cidr:
        return [] if metadata.inside(place.cidr) else [_block(place.cidr)]
    found = (_single(text) for text in addresses.get(place.host or "", ()))
    return [_block(cidr) for cidr in sorted({one for one in found if one})]


def _single(text: str) -> str:
    """One address as a network; empty for those that a name must not lead to, such as a metadata service's."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    nowhere = address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local
    return "" if nowhere or metadata.inside(str(address)) else f"{address}/{address.max_prefixlen}"


def _block(cidr: str, besides: Sequence[str] = ()) -> dict[str, Any]:
    left_out = [*besides, *metadata.exceptions(cidr, besides)]
    return {"ipBlock": {"cidr": cidr} | ({"except": left_out} if left_out else {})}


def _ports(ports: Sequence[int]) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": "TCP"} for port in ports] or _TCP


def policy(
    selector: dict[str, str], ingress: list[dict[str, Any]] | None = None, egress: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A policy's spec; a direction that is not given is not ruled by it."""
    rules = {"Ingress": ingress, "Egress": egress}
    given = {kind: rule for kind, rule in rules.items() if rule is not None}
    return {
        "podSelector": {"matchLabels": selector},
        "policyTypes": list(given),
        **{kind.lower(): rule for kind, rule in given.items()},
    }
