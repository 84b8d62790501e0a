"""The OpenAPI description that the broker serves is that of the broker: of each route, and true of each answer."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from facility.broker import interface, messages
from facility.broker.interface import Operation
from tests.fakes.broker_world import EMBARGOED, JWT, LAKE, OPEN, World, facility, identity
from tests.fakes.patience import PATIENCE

EXAMPLES = 30
#: all but whether a request that fits the description is accepted: policy may refuse it with 400
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.ignored_auth,
)


class Served:
    """The broker and its surroundings in a thread of their own; `url`, and `bundle` to trust it by."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ready: Future[World] = Future()
        self.world: World
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Served:
        self._thread.start()
        self.world = self._ready.result(timeout=PATIENCE)
        self.url, self.bundle = self.world._broker_url, str(self.world.authority.bundle)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(timeout=PATIENCE)
        self._loop.close()

    async def _serve(self) -> None:
        async with facility(self.directory) as world:
            await world.sign_in()
            self._ready.set_result(world)
            await self._end.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    answer = requests.get(f"{served.url}/openapi.json", verify=served.bundle, timeout=PATIENCE)
    assert answer.headers["Content-Type"].startswith("application/json")
    return dict(answer.json())


@pytest.fixture(scope="module")
def description(served: Served, document: dict[str, Any]) -> Any:
    found = schemathesis.openapi.from_dict(document)
    found.config.update(base_url=served.url, tls_verify=served.bundle)
    found.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "403", "404", "413", "415"]
    return found


OPERATIONS = [one for one in vars(interface).values() if isinstance(one, Operation)]
CASES = [(one, mode) for one in OPERATIONS for mode in GenerationMode if mode is GenerationMode.POSITIVE or one.takes]


@pytest.mark.parametrize(("operation", "mode"), CASES, ids=lambda one: getattr(one, "summary", None) or one.value)
def test_nothing_is_answered_that_is_not_described(
    served: Served, description: Any, operation: Operation, mode: GenerationMode
) -> None:
    caller = "hub" if "{user}" in operation.path else "alice-pod"
    headers = {"Authorization": f"Bearer {identity(caller)}"}

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(case=description[operation.path][operation.method].as_strategy(generation_mode=mode))
    def told(case: schemathesis.Case) -> None:
        if operation is interface.TOKEN and isinstance(case.body, dict) and "subject_token" in case.body:
            case.body["subject_token"] = identity("alice-pod")  # else nobody would get beyond being unknown
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=PATIENCE)

    told()


def test_every_route_is_described_and_nothing_else_is(served: Served, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = served.world.broker.application().router.routes()
    assert {(route.method, route.resource.canonical) for route in routes if route.resource} == described
    assert {(one.method, one.path) for one in OPERATIONS} == described


def test_the_description_is_openapi_and_hangs_together(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named == set(schemas)


def test_good_answers_and_refusals_are_as_described(served: Served, document: dict[str, Any]) -> None:
    form = {"grant_type": messages.GRANT, "subject_token": identity("alice-pod"), "subject_token_type": JWT}
    for more, model in (
        ({"audience": LAKE, "scope": OPEN, "min_valid": "60"}, "TokenAnswer"),
        ({"audience": LAKE, "scope": "storage.read:/"}, "Error"),
        ({"audience": LAKE, "min_valid": "86400"}, "Error"),
        ({"audience": "elsewhere"}, "Error"),
    ):
        answer = requests.post(f"{served.url}/token", data=form | more, verify=served.bundle, timeout=PATIENCE).json()
        jsonschema.validate(answer, {"$ref": f"#/components/schemas/{model}", "components": document["components"]})
        assert ("access_token" in answer) == (model == "TokenAnswer")
    assert answer["allowed"][LAKE].split() == [EMBARGOED, OPEN]


def test_whoever_sends_something_else_is_told_what_is_meant(served: Served) -> None:
    form = {"grant_type": "password", "subject_token": "secret-thing", "audience": ""}
    answer = requests.post(f"{served.url}/token", data=form, verify=served.bundle, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    form["grant_type"] = messages.GRANT
    answer = requests.post(
        f"{served.url}/token", data=form | {"min_valid": "soon"}, verify=served.bundle, timeout=PATIENCE
    )
    told = answer.json()
    assert (answer.status_code, told["error"]) == (400, "invalid_request")
    assert {"subject_token_type", "audience", "min_valid"} <= set(re.findall(r"(\w+): ", told["error_description"]))
    assert "secret-thing" not in answer.text
    assert "soon" not in answer.text
