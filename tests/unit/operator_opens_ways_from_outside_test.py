"""Caches and access points can be reached by people's own machines where the site says so, and only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facility.operator.build.everything import of_vo
from facility.operator.build.outside import outside
from facility.operator.certificates import of_vo as servers
from facility.operator.validate import ValidatedVO
from facility.site import Outside, Site
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import SITE, vo, world

OPEN = SITE.model_copy(update={"outside": Outside(domain="af.example.org", annotations={"lb/kind": "internal"})})


def made(**spec: Any) -> VirtualOrganization:
    return VirtualOrganization.parse(vo(**spec))


def everything(site: Site) -> list[dict[str, Any]]:
    return of_vo(ValidatedVO(made()), site)


def services(**spec: Any) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in outside(made(**spec), OPEN) if one["kind"] == "Service"}


def walls(way: Outside) -> dict[str, dict[str, Any]]:
    site = SITE.model_copy(update={"outside": way})
    found = (one for one in outside(made(), site) if one["kind"] == "NetworkPolicy")
    return {one["metadata"]["name"]: one["spec"] for one in found}


def test_each_has_a_service_under_a_name_of_the_domain() -> None:
    found = services()
    assert {name: one["metadata"]["namespace"] for name, one in found.items()} == {
        "xcache-cms-outside": "facility",
        "ap-cms-outside": "facility-batch",
    }
    for name, port in (("xcache-cms", 1094), ("ap-cms", 9618)):
        service = found[f"{name}-outside"]
        assert service["spec"]["type"] == "LoadBalancer"
        assert [one["port"] for one in service["spec"]["ports"]] == [port]
        assert service["metadata"]["annotations"] == {
            "external-dns.alpha.kubernetes.io/hostname": f"{name}.af.example.org",
            "lb/kind": "internal",
        }


def test_they_lead_to_the_pods_that_the_services_inside_lead_to() -> None:
    for name, service in services().items():
        (inside,) = (
            one
            for one in everything(OPEN)
            if one["kind"] == "Service" and one["metadata"]["name"] == name.removesuffix("-outside")
        )
        assert service["spec"]["selector"] == inside["spec"]["selector"]


def test_without_a_word_of_the_site_there_is_none() -> None:
    assert not [one for one in everything(SITE) if one["metadata"]["name"].endswith("-outside")]
    assert [one for one in everything(OPEN) if one["metadata"]["name"].endswith("-outside")]


def test_a_closed_vo_and_what_a_vo_lacks_have_none() -> None:
    assert services(suspended=True) == {}
    assert list(services(lakes=[])) == ["ap-cms-outside"]
    assert list(services(batch={"enabled": False})) == ["xcache-cms-outside"]


def test_all_public_addresses_may_come_and_no_pod() -> None:
    for wall in walls(Outside(domain="af.example.org")).values():
        (rule,) = wall["ingress"]
        blocks = {one["ipBlock"]["cidr"]: one["ipBlock"]["except"] for one in rule["from"]}
        assert {"10.0.0.0/8", "192.168.0.0/16"} <= set(blocks["0.0.0.0/0"])
        assert "fc00::/7" in blocks["::/0"]
        assert wall["policyTypes"] == ["Ingress"]


def test_named_networks_may_come_and_nobody_else() -> None:
    way = Outside(domain="af.example.org", networks=("192.0.2.0/24", "2001:db8::/32"))
    for name, wall in walls(way).items():
        (rule,) = wall["ingress"]
        assert rule["from"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}, {"ipBlock": {"cidr": "2001:db8::/32"}}]
        assert [one["port"] for one in rule["ports"]] == [1094 if name.startswith("xcache") else 9618]
    site = SITE.model_copy(update={"outside": way})
    ranges = [one["spec"]["loadBalancerSourceRanges"] for one in outside(made(), site) if one["kind"] == "Service"]
    assert ranges == [["192.0.2.0/24", "2001:db8::/32"]] * 2


@pytest.mark.parametrize("change", [{"domain": "nodots"}, {"domain": "UP.org"}, {"networks": ("192.0.2.1/24",)}])
def test_what_is_no_domain_or_network_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outside.model_validate({"domain": "af.example.org", **change})


def test_their_certificates_have_both_names() -> None:
    hosts = {one.service: one.hosts for one in servers(made(), OPEN)}
    assert hosts["xcache-cms"] == ("xcache-cms.facility.svc", "xcache-cms", "xcache-cms.af.example.org")
    assert hosts["ap-cms"] == ("ap-cms.facility-batch.svc", "ap-cms", "ap-cms.af.example.org")
    assert all("example.org" not in host for one in servers(made(), SITE) for host in one.hosts)


async def test_the_operator_makes_them_and_takes_them_back_with_the_sites_word(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.add_vo()
        for site, there in ((OPEN, True), (SITE, False)):
            here.site = site
            here.restart()
            await here.reconcile()
            assert ("xcache-cms-outside" in here.api.names("Service", "facility")) is there
            assert ("ap-cms-outside" in here.api.names("NetworkPolicy", "facility-batch")) is there
            assert "xcache-cms" in here.api.names("Service", "facility")
