"""What every chart's objects must and must not say, whichever values are given."""

from __future__ import annotations

import re
from typing import Any

import pytest

from facility.dev.images.catalog import IMAGES
from facility.dev.images.inputs import inputs
from tests.charts.rendering import SOURCE, Case, Charts, containers, pods

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


def test_every_pod_runs_as_somebody_who_is_not_root(charts: Charts, case: Case) -> None:
    found = {of: spec.get("securityContext", {}) for of, spec in pods(charts.objects(case))}
    assert [of for of, own in found.items() if own.get("runAsNonRoot") is not True or not own.get("runAsUser")] == []


def test_a_network_policy_of_its_own_is_around_every_pod(charts: Charts, case: Case) -> None:
    objects = charts.objects(case)
    walls = [one for one in objects if one["kind"] == "NetworkPolicy"]
    open_ = [_of(one) for one in objects if any(pods([one])) and not any(_selects(wall, one) for wall in walls)]
    assert open_ == []


def _selects(wall: dict[str, Any], one: dict[str, Any]) -> bool:
    selected = wall["spec"]["podSelector"].get("matchLabels", {})
    both = {"Ingress", "Egress"} <= set(wall["spec"]["policyTypes"])
    here = wall["metadata"]["namespace"] == one["metadata"]["namespace"]
    return bool(selected) and both and here and selected.items() <= _pod_labels(one).items()


#: a JWT, a private key, or a value under a name that promises a secret
SECRETIVE = re.compile(
    r"""eyJ[\w-]{8,}|PRIVATE\ KEY|["']?[\w-]*(?:password|passwd|client_secret|token|-key)["']?:\ +(?!\d+$)[^\s{[]""",
    re.VERBOSE,
)


def test_nothing_secret_is_in_a_rendered_manifest(charts: Charts, case: Case) -> None:
    lines = [line for line in charts.template(case).splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in lines if SECRETIVE.search(line)] == []


@pytest.mark.parametrize(
    "line", ["proxy-token: abc", '"password": "x"', "crypt-key: 0f0f", "bearer: eyJhbGciOiJFUzI1NiJ9.e30"]
)
def test_what_is_secret_would_be_seen(line: str) -> None:
    assert SECRETIVE.search(line)


def test_no_secret_goes_into_an_environment(charts: Charts, case: Case) -> None:
    found = [
        (of, str(one.get("env", [])) + str(one.get("envFrom", []))) for of, one in containers(charts.objects(case))
    ]
    assert [of for of, env in found if "secret" in env.lower()] == []


def test_no_volume_is_mounted_in_a_way_that_keeps_changes_away(charts: Charts, case: Case) -> None:
    kept = [
        of
        for of, spec in pods(charts.objects(case))
        for one in _all(spec)
        for mount in one.get("volumeMounts", [])
        if "subPath" in mount
    ]
    assert kept == []


def test_what_helm_test_makes_is_gone_afterwards(charts: Charts, case: Case) -> None:
    tests = [one for one in charts.objects(case) if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    policies = {one["metadata"]["annotations"].get("helm.sh/hook-delete-policy") for one in tests}
    assert policies <= {"before-hook-creation,hook-succeeded"}


def test_every_chart_with_pods_has_a_helm_test(charts: Charts, case: Case) -> None:
    objects = charts.objects(case)
    hooks = [one for one in objects if one["metadata"].get("annotations", {}).get("helm.sh/hook") == "test"]
    assert any(one["kind"] == "Pod" for one in hooks) == any(any(pods([one])) for one in objects)


def test_programs_of_the_package_are_in_the_image_that_runs_them(charts: Charts, case: Case) -> None:
    asked = [
        (one["image"], [*one.get("command", []), *one.get("args", [])]) for _, one in containers(charts.objects(case))
    ]
    modules = [(image, words[words.index("-m") + 1]) for image, words in asked if "-m" in words]
    images = {image: IMAGES[re.split("[:@]", image.rpartition("/")[2])[0]] for image, _ in modules}
    wrong = [
        (image, module)
        for image, module in modules
        if f"source/{module.replace('.', '/')}.py" not in inputs(SOURCE.parent, images[image])
    ]
    assert wrong == []
