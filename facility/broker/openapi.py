"""The description of the broker's interface (OpenAPI 3.1), made of its operations and their messages."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from facility.broker import messages
from facility.broker.interface import JSON, Operation
from facility.broker.messages import Message

Json = dict[str, Any]
_WHERE = "#/components/schemas/{model}"
_SECURITY = "pod"
_ABOUT = "Access tokens for the pods of an analysis facility: RFC 8693, and the hub's sessions."


def document(operations: Iterable[Operation]) -> Json:
    """The OpenAPI document of these operations."""
    known = list(operations)
    paths: dict[str, Json] = {}
    for operation in known:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    pod = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The pod's identity token."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Token broker", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": _schemas(known), "securitySchemes": {_SECURITY: pod}},
    }


def _schemas(operations: Iterable[Operation]) -> Json:
    """All messages that a body may be, with what they are made of."""
    used: set[type[Message]] = {messages.Error}
    for one in operations:
        used |= {model for model in (*one.answers.values(), *((one.takes[1],) if one.takes else ())) if model}
    inputs = sorted(((model, "validation") for model in used), key=lambda one: one[0].__name__)
    found: Json = models_json_schema(inputs, ref_template=_WHERE)[1].get("$defs", {})  # type: ignore[arg-type]
    return found


def _operation(one: Operation) -> Json:
    described: Json = {"summary": one.summary, "responses": _responses(one)}
    if parameters := [*_path_parameters(one), *_query_parameters(one)]:
        described["parameters"] = parameters
    if one.takes:
        kind, model = one.takes
        described["requestBody"] = {"required": True, "content": {kind: {"schema": _reference(model)}}}
    if one.identity:
        described["security"] = [{_SECURITY: []}]
    return described


def _responses(one: Operation) -> Json:
    good = {str(status): _response(status, model) for status, model in one.answers.items()}
    return good | {str(status): _response(status, messages.Error) for status in sorted(one.errors)}


def _response(status: int, model: type[Message] | None) -> Json:
    told: Json = {"description": HTTPStatus(status).phrase}
    if model is not None:
        told["content"] = {JSON: {"schema": _reference(model)}}
    elif status == HTTPStatus.OK:
        told["content"] = {JSON: {"schema": {"type": "object"}}}
    return told


def _path_parameters(one: Operation) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
        for name, pattern in one.paths.items()
    ]


def _query_parameters(one: Operation) -> list[Json]:
    schema = one.query.model_json_schema() if one.query else {"properties": {}}
    return [{"name": name, "in": "query", "schema": field} for name, field in schema["properties"].items()]


def _reference(model: type[Message]) -> Json:
    return {"$ref": _WHERE.format(model=model.__name__)}
