"""Which outside places a VO's notebooks and jobs reach: what it lists, and never a metadata service."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from facility.operator import metadata
from facility.operator.build import everything
from facility.operator.validate import ValidatedVO
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import SITE, vo

NOTEBOOK, EXECUTE = ("facility-users", "notebook-cms"), ("facility-batch", "execute-cms")
HOSTS = {"db.example.org": ("10.1.2.3", "2001:db8::7")}
PUBLIC = "188.184.9.234"


def rules(which: tuple[str, str], network: dict[str, Any], hosts: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """The egress rules of one of the VO's walls."""
    made = ValidatedVO(VirtualOrganization.parse(vo("cms", network=network)), addresses=hosts)
    built = {(one["metadata"].get("namespace"), one["metadata"]["name"]): one for one in everything.of_vo(made, SITE)}
    found: list[Any] = built[which]["spec"]["egress"]
    return found


def reaches(
    which: tuple[str, str],
    address: str,
    *allow: dict[str, Any],
    port: int = 443,
    outside: str = "Public",
    hosts: Mapping[str, tuple[str, ...]] = HOSTS,
) -> bool:
    """Whether a pod gets there by TCP, as a network plugin reads the policy."""
    return any(
        _matches(peer["ipBlock"], address) and _open(rule, port)
        for rule in rules(which, {"outside": outside, "allow": list(allow)}, hosts)
        for peer in rule["to"]
        if "ipBlock" in peer
    )


def _matches(block: dict[str, Any], address: str) -> bool:
    one = ip_address(address)
    return _within(one, block["cidr"]) and not any(_within(one, left_out) for left_out in block.get("except", ()))


def _within(one: Any, cidr: str) -> bool:
    network = ip_network(cidr)
    return one.version == network.version and one in network


def _open(rule: dict[str, Any], port: int) -> bool:
    return "ports" not in rule or any(one.get("port", port) == port for one in rule["ports"])


BOTH = pytest.mark.parametrize("which", [NOTEBOOK, EXECUTE])


@BOTH
@pytest.mark.parametrize(
    ("allow", "address", "port", "reached"),
    [
        ({"cidr": "10.1.0.0/16"}, "10.1.2.3", 443, True),
        ({"cidr": "10.1.0.0/16"}, "10.2.0.1", 443, False),
        ({"cidr": "10.1.0.0/16", "ports": [5432]}, "10.1.2.3", 5432, True),
        ({"cidr": "10.1.0.0/16", "ports": [5432]}, "10.1.2.3", 443, False),
        ({"host": "db.example.org"}, "10.1.2.3", 1, True),
        ({"host": "db.example.org"}, "2001:db8::7", 1, True),
        ({"host": "db.example.org"}, "10.1.2.4", 1, False),
        ({"host": "db.example.org", "ports": [5432, 5433]}, "10.1.2.3", 5433, True),
        ({"host": "db.example.org", "ports": [5432]}, "10.1.2.3", 80, False),
        ({"host": "gone.example.org"}, "10.1.2.3", 443, False),
        ({"cidr": "fc00::/7"}, "fd12::1", 443, True),
    ],
)
def test_notebooks_and_jobs_reach_what_is_listed_and_no_more(
    which: tuple[str, str], allow: dict[str, Any], address: str, port: int, reached: bool
) -> None:
    assert reaches(which, address, allow, port=port) is reached


@BOTH
@pytest.mark.parametrize("network", metadata.NETWORKS)
@pytest.mark.parametrize("listed", ["0.0.0.0/0", "::/0", "169.0.0.0/8", "100.64.0.0/10", "fd00::/8", "fe00::/7"])
def test_no_list_opens_a_metadata_service(which: tuple[str, str], network: str, listed: str) -> None:
    address = str(ip_network(network)[-1])
    assert not reaches(which, address, {"cidr": listed})


@BOTH
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "127.0.0.1", "::1", "0.0.0.0"]
)
def test_no_name_opens_a_metadata_service_or_the_pod_itself(which: tuple[str, str], address: str) -> None:
    hosts = {"evil.example.org": (address,)}
    allow = [{"host": "evil.example.org"}]
    wanted = rules(which, {"outside": "Listed", "allow": allow}, hosts)
    assert wanted == rules(which, {"outside": "Listed"}, {})


@BOTH
def test_a_rule_never_opens_everything_for_want_of_an_address(which: tuple[str, str]) -> None:
    found = rules(which, {"allow": [{"host": "gone.example.org", "ports": [443]}]}, {})
    assert all(rule["to"] for rule in found)


def test_notebooks_reach_the_public_unless_only_what_is_listed_is_open() -> None:
    assert reaches(NOTEBOOK, PUBLIC)
    assert not reaches(NOTEBOOK, PUBLIC, outside="Listed")
    assert reaches(NOTEBOOK, PUBLIC, {"cidr": "188.184.0.0/16"}, outside="Listed")
    assert not reaches(NOTEBOOK, "10.96.0.1", outside="Public")


def test_jobs_reach_nothing_outside_that_is_not_listed() -> None:
    assert not reaches(EXECUTE, PUBLIC)
    assert reaches(EXECUTE, PUBLIC, {"cidr": "188.184.0.0/16", "ports": [443]})


def test_the_same_addresses_in_another_order_are_the_same_policy() -> None:
    network = {"allow": [{"host": "db.example.org"}]}
    turned = {"db.example.org": tuple(reversed(HOSTS["db.example.org"]))}
    assert rules(NOTEBOOK, network, HOSTS) == rules(NOTEBOOK, network, turned)
