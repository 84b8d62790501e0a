"""An API server that restarts cuts connections anywhere: watches begin again, requests fail as any failed request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import ApiClient, Configuration

from facility.kubernetes import ApiError, Kubernetes
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import VIRTUAL_ORGANIZATION
from facility.watching import Mirror
from tests.fakes.patience import PATIENCE

PATH = "/apis/analysis-facility.io/v1alpha1/namespaces/facility/virtualorganizations"
#: how the first watch ends: in silence, after an event, within an event, with what is no event
ENDINGS = [
    b"",
    b'{"type": "MODIFIED", "object": {"metadata": {"name": "a", "resourceVersion": "2"}}}\n',
    b'{"ty',
    b"!\n",
]


class Flighty:
    """Lists `names`, and hangs up on the first watch after having sent `ending`, on the second when told to end.

    `deaf`: it hangs up on every request without an answer. `page`: what it answers instead of JSON.
    """

    def __init__(self) -> None:
        self.url = self.page = ""
        self.names = ["a"]
        self.ending = b""
        self.deaf = False
        self.watches = 0
        self.end = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.transport
        if self.deaf:
            request.transport.abort()
            return web.Response()
        if self.page:
            return web.Response(text=self.page)
        if "watch" in request.query:
            return await self.watch(request)
        items = [{"metadata": {"name": name, "resourceVersion": "1"}} for name in self.names]
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        self.watches += 1
        response = web.StreamResponse()
        await response.prepare(request)
        if self.watches > 1:
            await self.end.wait()
            return response
        await response.write(self.ending)
        self.names = ["b"]
        assert request.transport
        request.transport.close() if self.ending else request.transport.abort()
        return response


@pytest.fixture
async def server() -> AsyncIterator[Flighty]:
    flighty = Flighty()
    app = web.Application()
    app.router.add_get("/{path:.*}", flighty.answer)
    app.router.add_post("/{path:.*}", flighty.answer)
    running = TestServer(app, host="127.0.0.1")
    await running.start_server()
    flighty.url = str(running.make_url("/")).rstrip("/")
    yield flighty
    flighty.end.set()
    await running.close()


@pytest.fixture
async def client(server: Flighty) -> AsyncIterator[ApiClient]:
    async with ApiClient(Configuration(host=server.url)) as made:
        yield made


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_watch_that_is_cut_off_begins_again_with_what_is_there_then(
    server: Flighty, client: ApiClient, ending: bytes
) -> None:
    server.ending = ending
    told: list[str] = []
    news = asyncio.Event()

    def note(what: str) -> None:
        told.append(what)
        if what == "+b":
            news.set()

    mirror = Mirror(
        Kubernetes(client),
        PATH,
        lambda item: note(f"+{item['metadata']['name']}"),
        lambda name: note(f"-{name}"),
        sleep=lambda _: asyncio.sleep(0),
    )
    running = asyncio.create_task(mirror.run())
    await asyncio.wait_for(news.wait(), PATIENCE)
    assert (told[0], told[-2:]) == ("+a", ["-a", "+b"])
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_brokers_and_the_hubs_requests_fail_in_words_of_their_own(server: Flighty, client: ApiClient) -> None:
    server.deaf = True
    for request in (Kubernetes(client).get(PATH), Kubernetes(client).post(PATH, {"token": "not to be told"})):
        with pytest.raises(ApiError, match="no answer") as failed:
            await request
        assert "not to be told" not in str(failed.value)


async def test_the_operators_requests_fail_in_words_of_their_own(server: Flighty, client: ApiClient) -> None:
    server.deaf = True
    with pytest.raises(ClusterError, match="no answer from the API server"):
        await Cluster(client).list(VIRTUAL_ORGANIZATION, "facility")


async def test_a_page_of_a_proxy_is_no_answer(server: Flighty, client: ApiClient) -> None:
    server.page = "<h1>Bad gateway</h1>"
    with pytest.raises(ClusterError, match="is not JSON"):
        await Cluster(client).list(VIRTUAL_ORGANIZATION, "facility")
    with pytest.raises(ApiError, match="no answer"):
        await Kubernetes(client).get(PATH)
