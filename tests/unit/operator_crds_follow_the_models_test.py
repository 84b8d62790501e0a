"""The CRDs in the chart are those of the models, and the API server takes their schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.operator import crds, rules
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


SPEC = crds.virtual_organizations()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def places(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a schema, as rules name it."""
    yield place, schema
    for name, child in schema.get("properties", {}).items():
        yield from places(child, f"{place}.{name}")
    if "items" in schema:
        yield from places(schema["items"], f"{place}[]")
    if "additionalProperties" in schema:
        yield from places(schema["additionalProperties"], f"{place}{{}}")


def test_every_rule_is_at_a_place_that_there_is() -> None:
    assert set(rules.VIRTUAL_ORGANIZATION) <= {place for place, _ in places(SPEC, "spec")}
    found = {place: len(one.get("x-kubernetes-validations", ())) for place, one in places(SPEC, "spec")}
    assert all(found[place] >= len(wanted) for place, wanted in rules.VIRTUAL_ORGANIZATION.items())


def test_nobody_is_refused_with_a_pattern() -> None:
    assert [place for place, one in places(SPEC, "spec") if "pattern" in one] == []


def test_every_refusal_says_what_to_do_in_a_few_words() -> None:
    told = [rule["message"] for _, one in places(SPEC, "spec") for rule in one.get("x-kubernetes-validations", ())]
    assert len(told) > 30
    assert all(15 < len(message) < 200 and "\n" not in message for message in told)


def test_what_rules_cost_is_bounded_because_everything_is() -> None:
    limits = {"string": "maxLength", "array": "maxItems"}
    for place, one in places(SPEC, "spec"):
        if one["type"] in limits and "enum" not in one:
            assert limits[one["type"]] in one, place
        if "additionalProperties" in one:
            assert "maxProperties" in one, place


def test_every_field_is_explained() -> None:
    fields = [(place, one) for place, one in places(SPEC, "spec") if not place.endswith(("[]", "{}"))]
    assert [place for place, one in fields if len(one.get("description", "")) < 5] == []


def test_an_administrator_sees_name_issuer_ready_users_and_age() -> None:
    columns = crds.virtual_organizations()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [one["name"] for one in columns if not one.get("priority")] == ["Issuer", "Ready", "Reason", "Users", "Age"]


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
