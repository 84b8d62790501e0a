"""`facility check` reads an API server and issuers, writes nothing, and passes over what it may not read."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import ApiClient, Configuration

from facility.inspection.facts import Facts
from facility.inspection.judge.everything import judge
from facility.inspection.read import Reader
from facility.kubernetes import ApiError, Kubernetes
from tests.fakes.authority import Authority
from tests.fakes.inspected import NOW, objects, person, vo
from tests.fakes.kubernetes_api import KubernetesApi
from tests.fakes.operator_world import SITE, Issuers

ROLES = Path(__file__).parents[2] / "charts/operator/templates"
ROOTS = {
    "virtualorganizations": "/apis/analysis-facility.io/v1alpha1",
    "facilityusers": "/apis/analysis-facility.io/v1alpha1",
    "deployments": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "leases": "/apis/coordination.k8s.io/v1",
}


class World:
    """An API server that holds a facility in order, and its VO's issuer."""

    def __init__(self, api: KubernetesApi, issuers: Issuers, kubernetes: Kubernetes) -> None:
        self.api, self.issuers, self.kubernetes = api, issuers, kubernetes

    def put(self, plural: str, space: str, item: dict[str, Any]) -> None:
        root = ROOTS.get(plural, "/api/v1")
        self.api.put(f"{root}/namespaces/{space}/{plural}/{item['metadata']['name']}", item)

    def config(self, name: str, **data: str) -> None:
        self.put("configmaps", "facility", {"metadata": {"name": name}, "data": data})

    async def read(self, namespace: str = "facility") -> Facts:
        return await Reader(self.kubernetes, namespace, lambda: NOW).facts()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    authority, issuers, api = Authority(tmp_path), Issuers(), KubernetesApi()
    await issuers.server.start_server(ssl=authority.server("127.0.0.1"))
    server = TestServer(api.application())
    await server.start_server()
    client = ApiClient(Configuration(host=str(server.make_url("")).rstrip("/")))
    made = World(api, issuers, Kubernetes(client))
    for (plural, space), items in objects().items():
        for item in items:
            made.put(plural, space, item)
    made.put("virtualorganizations", "facility", vo(issuer=issuers.url("cms")))
    made.config("facility-site", **{"site.yaml": SITE.model_dump_json(by_alias=True)})
    made.config("facility-trust", **{"ca.crt": authority.bundle.read_text()})
    yield made
    await made.kubernetes.close()
    await server.close()
    await issuers.server.close()


async def test_a_facility_in_order_is_read_whole_and_has_no_fault(world: World) -> None:
    found = await world.read()
    assert {key: len(found.of(*key) or ()) for key in objects()} == {key: len(one) for key, one in objects().items()}
    assert found.installed
    assert found.unread == ()
    assert judge(found) == []


async def test_long_lists_are_read_page_by_page(world: World) -> None:
    for number in range(1200):
        world.put("facilityusers", "facility", person(f"p{number}"))
    assert len((await world.read()).some("facilityusers", "facility")) == 1202
    asked = [path for _, path in world.api.requests if path.endswith("/facilityusers")]
    assert len(asked) == 3


async def test_nothing_is_written(world: World) -> None:
    await world.read()
    assert {method for method, _ in world.api.requests} == {"GET"}


def rules(namespace: str) -> list[dict[str, Any]]:
    """Of the operator's Role in a namespace."""
    name = {"facility": "facility", "facility-batch": "batch", "facility-users": "users"}[namespace]
    text = (ROLES / f"role-{name}.yaml").read_text()
    found: list[dict[str, Any]] = yaml.safe_load(text[text.index("rules:") :])["rules"]
    return found


async def test_the_operators_account_may_read_all_of_it(world: World) -> None:
    await world.read()
    for _, path in world.api.requests:
        *_, namespace, plural, name = [*path.split("/"), ""] if path.split("/")[-3] == "namespaces" else path.split("/")
        verb = "get" if name else "list"
        assert any(plural in one["resources"] and verb in one["verbs"] for one in rules(namespace)), path


async def test_issuers_are_asked_here_and_trusted_as_the_facility_trusts(world: World) -> None:
    assert (await world.read()).issuers[world.issuers.url("cms")].keys == 1
    world.issuers.down.add("cms")
    (finding,) = judge(await world.read())
    assert "does not answer here" in finding.sentence
    world.config("facility-trust")
    assert any("issuers" in one for one in (await world.read()).unread)


async def test_what_may_not_be_read_is_named_and_the_rest_is_read(world: World) -> None:
    world.api.fault = lambda _method, path: 403 if path.endswith(("/pods", "/secrets")) else None
    found = await world.read()
    assert found.of("pods", "facility-users") is None
    assert "pods in facility-users: not allowed to read" in found.unread
    assert "certificates in facility: not allowed to read" in found.unread
    assert found.of("deployments", "facility")
    assert judge(found) == []


async def test_settings_that_may_not_be_read_are_not_missing(world: World) -> None:
    world.api.fault = lambda _method, path: 403 if path.endswith("/facility-site") else None
    found = await world.read()
    assert found.installed
    assert "the settings: not allowed to read" in found.unread


async def test_a_namespace_without_a_facility_is_told(world: World) -> None:
    found = await world.read("elsewhere")
    assert not found.installed
    assert "no facility is installed in elsewhere" in judge(found)[0].sentence


async def test_settings_of_another_version_are_told(world: World) -> None:
    world.config("facility-site", **{"site.yaml": "unheardOf: 1"})
    assert any("another version" in one for one in (await world.read()).unread)


async def test_an_api_server_without_the_kinds_is_told(world: World) -> None:
    world.api.fault = lambda _method, path: 404 if "analysis-facility.io" in path else None
    found = await world.read()
    assert not found.known
    assert any(one.about == "CustomResourceDefinitions" for one in judge(found))


async def test_an_api_server_that_fails_ends_the_check(world: World) -> None:
    world.api.fault = lambda _method, path: 500
    with pytest.raises(ApiError):
        await world.read()


async def test_certificates_are_read_and_their_keys_are_not_kept(world: World, tmp_path: Path) -> None:
    pem = (tmp_path / "ca.crt").read_bytes()
    data = {"tls.crt": base64.b64encode(pem).decode(), "tls.key": base64.b64encode(b"the key").decode()}
    labels = {"app.kubernetes.io/component": "tls", "analysis-facility.io/vo": "cms"}
    tls = {"type": "kubernetes.io/tls"}
    world.put("secrets", "facility", {**tls, "metadata": {"name": "tls-xcache-cms", "labels": labels}, "data": data})
    world.put("secrets", "facility", {**tls, "metadata": {"name": "hub-example-org"}, "data": {"tls.crt": "bm8="}})
    world.put("secrets", "facility", {"type": "Opaque", "metadata": {"name": "cms-client"}, "data": data})
    cache, proxy = sorted((await world.read()).certificates, key=lambda one: one.vo, reverse=True)
    assert (cache.secret, cache.vo, cache.ours, cache.ends > NOW) == ("tls-xcache-cms", "cms", True, True)
    assert (proxy.secret, proxy.ours, proxy.ends) == ("hub-example-org", False, 0.0)
    assert "the key" not in repr(await world.read())
