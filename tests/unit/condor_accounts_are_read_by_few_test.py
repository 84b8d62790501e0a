"""Who accounts for jobs may do nothing else, and tells only whom the site lets in."""

from __future__ import annotations

from typing import Any

from facility.condor import layout
from facility.operator.build.access_point import access_point
from facility.site import Site
from tests.fakes.objects import site, vo


def built(where: Site, kind: str, name: str) -> dict[str, Any]:
    found = (one for one in access_point(vo("cms"), where) if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return next(found)


def ingress(where: Site) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = built(where, "NetworkPolicy", "ap-cms")["spec"]["ingress"]
    return rules


def accounting(where: Site) -> dict[str, Any]:
    made = built(where, "StatefulSet", "ap-cms")
    (found,) = (one for one in made["spec"]["template"]["spec"]["containers"] if one["name"] == "accounting")
    container: dict[str, Any] = found
    return container


def test_who_accounts_is_nobody_and_sees_htcondors_records_alone() -> None:
    container = accounting(site())
    assert container["securityContext"]["runAsUser"] == 65532
    assert container["securityContext"]["runAsNonRoot"] is True
    seen = {one["mountPath"]: (one["subPath"], one.get("readOnly", False)) for one in container["volumeMounts"]}
    assert seen == {str(layout.HISTORY): ("history", True), str(layout.ACCOUNTING): ("accounting", False)}


def test_what_jobs_have_used_is_read_from_namespaces_that_the_site_names_and_no_others() -> None:
    assert len(ingress(site())) == 1
    rule = ingress(site(accountingFrom=["monitoring"]))[1]
    assert rule["ports"] == [{"port": 9090}]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
