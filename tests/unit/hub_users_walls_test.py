"""Whom a VO's user pods can reach, and who can reach them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from facility.operator.build.users import user_policies
from tests.fakes.vo_spawner import SITE, vo


def spec(**more: Any) -> dict[str, Any]:
    (policy,) = user_policies(vo(**more), SITE)
    assert policy["metadata"]["namespace"] == "facility-users"
    return dict(policy["spec"])


def ways(rules: list[dict[str, Any]], side: str = "to") -> set[tuple[str, str, str, int]]:
    """The pods of a policy's rules as (namespace, component, VO, port)."""
    found = set()
    for rule in rules:
        for peer in rule[side]:
            if "podSelector" in peer:
                labels = peer["podSelector"]["matchLabels"]
                namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                name, of = labels["app.kubernetes.io/component"], labels.get("analysis-facility.io/vo", "")
                found |= {(namespace, name, of, port["port"]) for port in rule["ports"]}
    return found


def outside(address: str) -> bool:
    """Whether a pod may reach that address as one of the outside."""
    one = ip_address(address)
    for rule in spec()["egress"]:
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            if one.version == ip_network(block["cidr"]).version and one in ip_network(block["cidr"]):
                return not any(one in ip_network(inside) for inside in block["except"])
    return False


def test_user_pods_reach_what_is_their_vos_and_no_other_pod() -> None:
    assert ways(spec()["egress"]) == {
        ("facility", "hub", "", 8081),
        ("facility", "broker", "", 8443),
        ("facility", "xcache", "cms", 1094),
        ("facility-batch", "access-point", "cms", 9618),
        ("facility-batch", "execute", "cms", 9618),
        ("facility-batch", "cm", "", 9618),
    }


def test_a_vo_without_lake_and_batch_has_no_way_to_either() -> None:
    components = {way[1] for way in ways(spec(lakes=[], batch={"enabled": False})["egress"])}
    assert components == {"hub", "broker"}


def test_only_proxy_and_hub_reach_a_user_pod() -> None:
    assert ways(spec()["ingress"], "from") == {("facility", "proxy", "", 8888), ("facility", "hub", "", 8888)}


def test_the_policy_is_about_the_pods_of_its_vo_only() -> None:
    assert spec()["podSelector"] == {
        "matchLabels": {"app.kubernetes.io/component": "notebook", "analysis-facility.io/vo": "cms"}
    }


@pytest.mark.parametrize("address", ["188.184.9.234", "2001:1458:201::1"])
def test_the_outside_is_open(address: str) -> None:
    assert outside(address)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.96.0.1", "172.18.0.2", "192.168.1.1", "100.100.100.200", "fd00:ec2::254"]
)
def test_metadata_service_api_server_and_private_networks_are_not_the_outside(address: str) -> None:
    assert not outside(address)
