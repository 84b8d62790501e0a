"""The CustomResourceDefinitions, made from the models: `python3 -m facility.operator.crds > FILE`.

The schema is a structural one (Kubernetes API reference, "Specifying a structural schema"): no references, no
alternatives, no defaults. Defaults stay in the models, so that an upgrade changes them for every object at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from facility import names
from facility.datasets import CachedDatasetSpec, CachedDatasetStatus
from facility.operator import rules
from facility.operator.rules import Rule
from facility.operator.text import dump
from facility.users import FacilityUserSpec, FacilityUserStatus
from facility.vo import VirtualOrganizationSpec, VirtualOrganizationStatus

Schema = dict[str, Any]
_KEPT = (
    "type",
    "description",
    "enum",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
)


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model."""
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Schema, definitions: Schema) -> Schema:
    source = _resolve(schema, definitions)
    result = {key: source[key] for key in _KEPT if key in source}
    if "exclusiveMinimum" in source:  # OpenAPI 3.0's; of a fraction the API server takes the floor
        result |= {"minimum": source["exclusiveMinimum"], "exclusiveMinimum": True}
    if "properties" in source:
        result["properties"] = {k: _convert(v, definitions) for k, v in source["properties"].items()}
    if "items" in source:
        result["items"] = _convert(source["items"], definitions)
    if values := _values(source):
        result["additionalProperties"] = _convert(values, definitions)
    if "conditions" in result.get("properties", {}):
        result["properties"]["conditions"] |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        }
    return _with_default(result, schema.get("default"))


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    """The schema with its reference or its only alternative to null put in place; its own keys win."""
    if "$ref" in schema:
        return {**definitions[schema["$ref"].rsplit("/", 1)[1]], **schema}
    others = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return {**_resolve(others[0], definitions), **schema} if others else schema


def _values(source: Schema) -> Schema:
    """The schema of a map's values; CRDs cannot say what its keys look like, the model sees to that."""
    patterns = source.get("patternProperties") or {}
    found: Schema = next(iter(patterns.values()), source.get("additionalProperties") or {})
    return found


def _with_default(schema: Schema, default: object) -> Schema:
    if schema.get("type") == "object" or default in (None, "", []):
        return schema
    told = " ".join(map(str, default)) if isinstance(default, list) else str(default).lower()
    told = default if isinstance(default, str) else told
    return {**schema, "description": f"{schema.get('description', '')} Default: {told}.".strip()}


def ruled(schema: Schema, place: str, found: Mapping[str, Sequence[Rule]]) -> Schema:
    """The schema with the rules of its places (`spec.lakes[].prefix`), which also take the place of known patterns."""
    told = list(found.get(place, ()))
    if instead := rules.PATTERNS.get(schema.get("pattern", "")):
        told.insert(0, Rule(f"self.matches(r'{schema['pattern']}')", instead))
        schema = {key: value for key, value in schema.items() if key != "pattern"}
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {k: ruled(v, f"{place}.{k}", found) for k, v in schema["properties"].items()}
    if "items" in schema:
        result["items"] = ruled(schema["items"], f"{place}[]", found)
    return result | ({"x-kubernetes-validations": [one._asdict() for one in told]} if told else {})


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(name: str, path: str, kind: str = "string", **more: object) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def virtual_organizations() -> Schema:
    """CRD of VirtualOrganization."""
    columns = [
        _column("Issuer", ".spec.issuer"),
        _column("Ready", _condition("Ready", "status")),
        _column("Reason", _condition("Ready", "reason")),
        _column("Users", ".status.users", "integer"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Message", _condition("Ready", "message"), priority=1),
    ]
    spec, status = structural(VirtualOrganizationSpec), structural(VirtualOrganizationStatus)
    spec = ruled(spec, "spec", rules.VIRTUAL_ORGANIZATION)
    told = [one._asdict() for one in rules.OBJECT]
    return _definition("VirtualOrganization", ["vo"], spec, status, columns, told)


def facility_users() -> Schema:
    """CRD of FacilityUser: who it is never changes, its uid is given once."""
    same = " && ".join(f"self.spec.{field} == oldSelf.spec.{field}" for field in ("vo", "sub", "name"))
    rule = {
        "rule": f"{same} && (!has(oldSelf.spec.uid) || (has(self.spec.uid) && self.spec.uid == oldSelf.spec.uid))",
        "message": "vo, sub and name of a FacilityUser never change, and its uid is given once",
    }
    columns = [
        _column("VO", ".spec.vo"),
        _column("UID", ".spec.uid", "integer"),
        _column("Token", _condition("TokenReady", "status")),
        _column("Reason", _condition("TokenReady", "reason")),
        _column("SignedIn", ".status.lastSignIn", "date"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Subject", ".spec.sub", priority=1),
    ]
    spec, status = structural(FacilityUserSpec), structural(FacilityUserStatus)
    return _definition("FacilityUser", ["fu"], spec, status, columns, [rule])


def cached_datasets() -> Schema:
    """CRD of CachedDataset: whose it is never changes."""
    rule = {"rule": "self.spec.vo == oldSelf.spec.vo", "message": "the VO of a CachedDataset never changes"}
    columns = [
        _column("VO", ".spec.vo"),
        _column("Ready", _condition("Ready", "status")),
        _column("Reason", _condition("Ready", "reason")),
        _column("Progress", ".status.progress"),
        _column("Pinned", ".spec.pinned", "boolean"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Message", _condition("Ready", "message"), priority=1),
    ]
    spec, status = structural(CachedDatasetSpec), structural(CachedDatasetStatus)
    return _definition("CachedDataset", ["cds"], ruled(spec, "spec", rules.CACHED_DATASET), status, columns, [rule])


def _definition(
    kind: str, short: list[str], spec: Schema, status: Schema, columns: list[Schema], told: list[Schema]
) -> Schema:
    plural = f"{kind.lower()}s"
    version = {
        "name": names.API_VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "required": ["spec"],
                "x-kubernetes-validations": told,
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": status,
                },
            }
        },
    }
    called = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower(), "shortNames": short}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{names.API_GROUP}",
            # Removing the charts must never remove the site's organizations and people.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {"group": names.API_GROUP, "scope": "Namespaced", "names": called, "versions": [version]},
    }


def render() -> str:
    """All definitions as one YAML stream, as charts/crds keeps it."""
    head = "# Made by `python3 -m facility.operator.crds` from the models: change those.\n"
    return head + dump([virtual_organizations(), facility_users(), cached_datasets()])


if __name__ == "__main__":
    sys.stdout.write(render())
