"""Every chart renders with each of its values, into objects that the API server would take."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.charts.conftest import Conform
from tests.charts.rendering import KUBERNETES, SOURCE, Case, Charts
from tests.charts.rendering import charts as names


def test_helm_lints_strictly(charts: Charts, case: Case) -> None:
    assert "0 chart(s) failed" in charts.lint(case)


def test_all_objects_are_what_the_api_server_takes(charts: Charts, case: Case, conform: Conform) -> None:
    assert charts.objects(case)
    assert conform(charts.template(case)) == ""


def test_no_object_comes_twice(charts: Charts, case: Case) -> None:
    found = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in charts.objects(case)]
    assert sorted(found, key=str) == sorted(set(found), key=str)


@pytest.mark.parametrize("chart", names())
def test_each_set_of_values_says_by_its_name_what_it_is_for(chart: str) -> None:
    found = sorted(path.name for path in (SOURCE / chart / "ci").iterdir())
    assert found, f"{chart} has no ci/NN-purpose-values.yaml"
    assert [name for name in found if not re.fullmatch(r"\d\d-[a-z0-9-]+-values\.yaml", name)] == []


def test_pods_without_apparmor_are_refused_where_the_namespace_of_the_chart_would_refuse_them(charts: Charts) -> None:
    chart = charts.chart("operator")
    where = (
        "--kube-version",
        KUBERNETES,
        "--namespace",
        "facility",
        "--values",
        str(chart / "ci/01-minimal-values.yaml"),
    )
    command = ("template", "operator", str(chart), *where, "--set", "site.batch.apparmorProfile=Unconfined")
    with pytest.raises(AssertionError, match="Pod Security level baseline"):
        charts.helm(*command)
    assert "apparmorProfile: Unconfined" in charts.helm(*command, "--set", "createNamespaces=false")


@pytest.mark.parametrize("chart", names())
def test_a_typo_in_values_is_an_error_and_not_a_silence(chart: str) -> None:
    schema = json.loads((SOURCE / chart / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    assert open_objects(schema, chart) == []


def open_objects(schema: object, at: str) -> list[str]:
    """Places in a schema where properties are named and others would still be taken."""
    if isinstance(schema, list):
        return [place for one in schema for place in open_objects(one, at)]
    if not isinstance(schema, dict):
        return []
    here = (
        [at] if isinstance(schema.get("properties"), dict) and schema.get("additionalProperties") is not False else []
    )
    return here + [place for key, value in schema.items() for place in open_objects(value, f"{at}.{key}")]


@pytest.mark.parametrize("chart", names())
def test_every_value_has_a_schema(chart: str) -> None:
    values = yaml.safe_load((SOURCE / chart / "values.yaml").read_text()) or {}
    schema = json.loads((SOURCE / chart / "values.schema.json").read_text())
    assert sorted(values.keys() - schema["properties"].keys()) == []


@pytest.mark.parametrize("chart", names())
def test_each_chart_says_what_to_do_next(chart: str) -> None:
    assert (SOURCE / chart / "templates" / "NOTES.txt").read_text().strip()


GOOD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: good}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
        - {name: one, image: "one:1", ports: [{containerPort: 80}], resources: {requests: {cpu: 1, memory: 1Gi}}}
---
apiVersion: analysis-facility.io/v1alpha1
kind: VirtualOrganization
metadata: {name: cms}
spec: {issuer: "https://iam.test/", clientSecret: {name: cms-client}}
"""


def test_the_check_takes_good_objects_and_refuses_unknown_fields_and_kinds(conform: Conform) -> None:
    assert conform(GOOD) == ""
    assert "replica" in conform(GOOD.replace("  selector:", "  replica: 2\n  selector:"))
    assert "isuer" in conform(GOOD.replace("issuer", "isuer"))
    assert "could not find schema" in conform(GOOD.replace("kind: Deployment", "kind: Deploymnt"))
