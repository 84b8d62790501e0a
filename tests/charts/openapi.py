"""JSON schemas for kubeconform out of what Kubernetes and our own CRDs publish, with no field that they do not name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_FREE = ("x-kubernetes-preserve-unknown-fields", "additionalProperties")


def write(swagger: Schema, crds: Iterable[Schema], directory: Path) -> None:
    """One file per kind, named as kubeconform's default template asks: `deployment-apps-v1.json`."""
    definitions = {name: strict(one) for name, one in swagger["definitions"].items()}
    definitions[_QUANTITY] = {"type": ["string", "number"]}
    for name, definition in swagger["definitions"].items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            _save(directory, kind, _closed(definitions, {"$ref": f"#/definitions/{name}"}))
    for kind, schema in (found for crd in crds for found in _versions(crd)):
        own = strict(schema)
        own["properties"] |= {"metadata": {"$ref": f"#/definitions/{_META}"}}
        _save(directory, kind, _closed(definitions, own))


def strict(schema: Schema) -> Schema:
    """The schema with unknown fields refused and Kubernetes' own words said in JSON schema's."""
    made = {key: _walk(key, value) for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    made.pop("format", None)
    if "properties" in schema and not any(schema.get(key) for key in _FREE):
        made["additionalProperties"] = False
    return made


def _walk(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: strict(one) for name, one in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return strict(value)
    if key in ("allOf", "anyOf", "oneOf"):
        return [strict(one) for one in value]
    return value


def _versions(crd: Schema) -> Iterator[tuple[Schema, Schema]]:
    spec = crd["spec"]
    for version in spec["versions"]:
        kind = {"group": spec["group"], "version": version["name"], "kind": spec["names"]["kind"]}
        yield kind, version["schema"]["openAPIV3Schema"]


def _closed(definitions: dict[str, Schema], schema: Schema) -> Schema:
    """The schema with all definitions that it needs, so that its file stands alone."""
    needed: dict[str, Schema] = {}
    _visit(schema, lambda name: _need(definitions, needed, name))
    return schema | {"definitions": needed}


def _need(definitions: dict[str, Schema], needed: dict[str, Schema], name: str) -> None:
    if name not in needed:
        needed[name] = definitions[name]
        _visit(definitions[name], lambda inner: _need(definitions, needed, inner))


def _visit(schema: Any, found: Callable[[str], None]) -> None:
    if isinstance(schema, list):
        for one in schema:
            _visit(one, found)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                found(value.rpartition("/")[2])
            else:
                _visit(value, found)


def _save(directory: Path, kind: Schema, schema: Schema) -> None:
    group = [kind["group"].split(".")[0]] if kind["group"] else []
    name = "-".join([kind["kind"].lower(), *group, kind["version"]])
    (directory / f"{name}.json").write_text(json.dumps(schema))
