"""The CRDs in the chart are those of the models, and the API server takes their schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.operator import crds
from facility.site import Site

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "charts/crds/templates/crds.yaml"


def test_the_committed_crds_are_those_of_the_models() -> None:
    assert COMMITTED.read_text() == crds.render(), (
        "run `python3 -m facility.operator.crds > charts/crds/templates/crds.yaml`"
    )


def test_helm_never_removes_them() -> None:
    for definition in yaml.safe_load_all(COMMITTED.read_text()):
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert definition["spec"]["versions"][0]["subresources"] == {"status": {}}


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"])


@pytest.mark.parametrize("definition", [crds.virtual_organizations(), crds.facility_users()])
def test_the_schema_is_structural(definition: dict[str, Any]) -> None:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for node in nodes(schema):
        assert node["type"] in ("object", "array", "string", "integer", "boolean", "number")
        assert not {"$ref", "anyOf", "allOf", "oneOf", "title", "default"} & set(node)
        assert set(node.get("required", [])) <= set(node.get("properties", {}))
        assert (node["type"] == "array") == ("items" in node)
        assert not {"properties", "additionalProperties"} <= set(node)


def test_what_a_person_may_leave_out_is_not_required() -> None:
    schema = crds.structural(crds.VirtualOrganizationSpec)
    assert schema["required"] == ["issuer", "clientSecret"]
    assert "uid" not in crds.structural(crds.FacilityUserSpec)["required"]


def test_defaults_are_told_but_not_stored() -> None:
    properties = crds.structural(crds.VirtualOrganizationSpec)["properties"]
    assert properties["cache"]["properties"]["size"]["description"].endswith("Default: 20Gi.")


def test_a_persons_identity_never_changes() -> None:
    schema = crds.facility_users()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    (rule,) = schema["x-kubernetes-validations"]
    for field in ("vo", "sub", "name", "uid"):
        assert f"oldSelf.spec.{field}" in rule["rule"]


def test_the_chart_takes_the_sites_settings_as_the_model_has_them() -> None:
    schema = yaml.safe_load((ROOT / "charts/operator/values.schema.json").read_text())
    model = {field.alias for field in Site.model_fields.values()} - {"namespaces", "images"}
    assert set(schema["properties"]["site"]["properties"]) == model
    assert schema["properties"]["site"]["additionalProperties"] is False
