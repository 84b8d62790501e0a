"""Addresses that no pod of the facility may ever reach, whatever a VO lists: a node's and a cloud's metadata services.

Who reaches them may get the node's own credentials. Link-local addresses are RFC 3927 and RFC 4291; the others are
those at which clouds answer besides (AWS and GCP over IPv6, Alibaba Cloud).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network
NETWORKS = ("169.254.0.0/16", "100.100.100.200/32", "fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128")
_PARSED = tuple(ip_network(one) for one in NETWORKS)


def inside(cidr: str) -> bool:
    """Whether all of a network is such a place. Raises ValueError for what is no network."""
    network = ip_network(cidr)
    return any(_within(network, one) for one in _PARSED)


def exceptions(cidr: str, besides: Iterable[str] = ()) -> list[str]:
    """Parts of a network that must be left out of a rule that opens it, those that are `besides` left out anyway."""
    network, covered = ip_network(cidr), [ip_network(one) for one in besides]
    found = [one for one in _PARSED if _within(one, network) and not any(_within(one, wide) for wide in covered)]
    return [str(one) for one in found]


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)
