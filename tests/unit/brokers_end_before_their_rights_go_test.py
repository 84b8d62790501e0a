"""`facility.broker.ending`, which Helm runs before an uninstall: it waits for the last broker, and never in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import ApiClient, Configuration

from facility.broker.ending import EVERY, PATIENCE, end, told
from facility.kubernetes import Kubernetes
from tests.fakes.kubernetes_api import KubernetesApi

DEPLOYMENT = "/apis/apps/v1/namespaces/facility/deployments/broker"
PODS = "/api/v1/namespaces/facility/pods"


@pytest.fixture
def api() -> KubernetesApi:
    """A facility with two brokers, and a hub that is none of its business."""
    api = KubernetesApi()
    api.put(DEPLOYMENT, {"spec": {"replicas": 2, "paused": False}})
    for name, component in (("broker-1", "broker"), ("broker-2", "broker"), ("hub", "hub")):
        api.put(f"{PODS}/{name}", {"metadata": {"labels": {"app.kubernetes.io/component": component}}})
    return api


@pytest.fixture
async def kubernetes(api: KubernetesApi) -> AsyncIterator[Kubernetes]:
    server = TestServer(api.application())
    await server.start_server()
    client = Kubernetes(ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))))
    yield client
    await client.close()
    await server.close()


class Naps:
    """Time that passes only by sleeping; after each of them one more pod of a list is gone."""

    def __init__(self, api: KubernetesApi, *leaving: str) -> None:
        self.seconds, self._api, self._leaving = 0.0, api, list(leaving)

    async def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        if self._leaving:
            self._api.remove(f"{PODS}/{self._leaving.pop(0)}")


async def test_it_returns_when_the_last_broker_is_gone(api: KubernetesApi, kubernetes: Kubernetes) -> None:
    sleep = Naps(api, "broker-1", "broker-2")
    assert await end(kubernetes, "facility", sleep)
    assert sleep.seconds == 2 * EVERY
    assert api.objects[DEPLOYMENT]["spec"] == {"replicas": 0, "paused": False}


async def test_a_broker_that_does_not_end_holds_up_nobody_for_ever(api: KubernetesApi, kubernetes: Kubernetes) -> None:
    sleep = Naps(api, "broker-1")
    assert not await end(kubernetes, "facility", sleep)
    assert sleep.seconds == PATIENCE


async def test_where_there_is_no_broker_there_is_nothing_to_wait_for(
    api: KubernetesApi, kubernetes: Kubernetes
) -> None:
    for path in [path for path in api.objects if "broker" in path]:
        api.remove(path)
    assert await end(kubernetes, "facility", Naps(api))


async def test_an_uninstall_is_told_what_came_of_it_and_goes_on(api: KubernetesApi, kubernetes: Kubernetes) -> None:
    assert "some people may have to sign in again" in await told(kubernetes, "facility", Naps(api, "broker-1"))
    api.fault = lambda method, _: 403 if method == "PATCH" else None
    assert "deployments/broker: 403" in await told(kubernetes, "facility", Naps(api))
    api.fault = lambda *_: None
    assert await told(kubernetes, "facility", Naps(api, "broker-2")) == "the brokers have ended"
