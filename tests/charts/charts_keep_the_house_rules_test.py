"""What every chart's objects must and must not say, whichever values are given."""

from __future__ import annotations

import re
from typing import Any

from tests.charts.rendering import Case, Charts, containers, pods

LEVELS = ("restricted", "baseline")
FIXED = re.compile(r"\S+(:[^:/\s]+|@sha256:[0-9a-f]{64})")
CAPABILITIES = {"SETUID", "SETGID", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL"}


def test_every_container_says_what_it_needs(charts: Charts, case: Case) -> None:
    without = [of for of, one in containers(charts.objects(case)) if not _requests(one)]
    assert without == []


def _requests(container: dict[str, Any]) -> bool:
    return {"cpu", "memory"} <= set(container.get("resources", {}).get("requests", {}))


def test_every_image_is_fixed(charts: Charts, case: Case) -> None:
    images = [one["image"] for _, one in containers(charts.objects(case))]
    assert [image for image in images if not FIXED.fullmatch(image) or image.endswith(":latest")] == []
    assert ":latest" not in charts.template(case)


def test_nothing_switches_tls_checks_off(charts: Charts, case: Case) -> None:
    assert "insecure" not in charts.template(case).lower()


def test_every_namespace_is_labelled_for_pod_security(charts: Charts, case: Case) -> None:
    found = [one["metadata"] for one in charts.objects(case) if one["kind"] == "Namespace"]
    label = "pod-security.kubernetes.io/enforce"
    assert [meta["name"] for meta in found if meta.get("labels", {}).get(label) not in LEVELS] == []


def test_every_pod_drops_what_it_does_not_need(charts: Charts, case: Case) -> None:
    wrong = [of for of, spec in pods(charts.objects(case)) for one in _all(spec) if not _confined(spec, one)]
    assert wrong == []


def _all(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def _confined(spec: dict[str, Any], container: dict[str, Any]) -> bool:
    pod, own = spec.get("securityContext", {}), container.get("securityContext", {})
    capabilities = own.get("capabilities", {})
    seccomp = (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type")
    return (
        own.get("allowPrivilegeEscalation") is False
        and own.get("readOnlyRootFilesystem") is True
        and capabilities.get("drop") == ["ALL"]
        and set(capabilities.get("add", [])) <= CAPABILITIES
        and seccomp == "RuntimeDefault"
    )


def test_only_who_says_so_gets_a_service_account_token(charts: Charts, case: Case) -> None:
    silent = [of for of, spec in pods(charts.objects(case)) if "automountServiceAccountToken" not in spec]
    assert silent == []


def test_no_secret_is_in_a_chart(charts: Charts, case: Case) -> None:
    assert [one["metadata"]["name"] for one in charts.objects(case) if one["kind"] == "Secret"] == []


def test_every_object_says_which_part_it_is_of(charts: Charts, case: Case) -> None:
    needed = {"app.kubernetes.io/name", "app.kubernetes.io/managed-by"}
    own = [one for one in charts.objects(case) if one["kind"] != "CustomResourceDefinition"]
    assert [_of(one) for one in own if not needed <= one["metadata"].get("labels", {}).keys()] == []


def test_every_pod_says_which_component_it_is(charts: Charts, case: Case) -> None:
    made = [one for one in charts.objects(case) if any(pods([one]))]
    wrong = [_of(one) for one in made if "app.kubernetes.io/component" not in _pod_labels(one)]
    assert wrong == []


def _pod_labels(one: dict[str, Any]) -> dict[str, str]:
    template = one if one["kind"] == "Pod" else one["spec"].get("template", {})
    found: dict[str, str] = template.get("metadata", {}).get("labels", {})
    return found


def _of(one: dict[str, Any]) -> str:
    return f"{one['kind']} {one['metadata']['name']}"
