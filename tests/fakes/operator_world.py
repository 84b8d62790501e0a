"""The operator's surroundings in small: an API server, issuers behind TLS, and objects as an admin writes them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes_asyncio import client

from facility import names
from facility.operator.cluster import Cluster
from facility.operator.discovery import Discovery
from facility.operator.hosts import Hosts
from facility.operator.objects import CUSTOM, Manifest
from facility.operator.reconcile import Reconciler
from facility.operator.reconcile import World as Surroundings
from facility.site import Images, Site
from tests.fakes.apiserver import ApiServer
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock

SITE = Site(
    images=Images(
        facility="af/facility:1", hub="af/hub:1", notebook="af/notebook:1", condor="af/condor:1", xcache="af/xcache:1"
    ),
    public_url="https://hub.example.org",
)
KEYS = [{"kty": "RSA", "kid": "a", "use": "sig", "n": "AQAB", "e": "AQAB"}]


def vo(name: str = "cms", issuer: str = "https://iam.example.org/", created: int = 1, **spec: Any) -> Manifest:
    """A VirtualOrganization as it would be read; `created`: its age, a larger one is younger."""
    lake = {
        "prefix": f"/{name}",
        "origin": "https://origin.example.org:1094",
        "audience": "https://origin.example.org:1094",
        "scopes": ["storage.read:/embargoed"],
    }
    return {
        "apiVersion": CUSTOM,
        "kind": "VirtualOrganization",
        "metadata": {
            "name": name,
            "namespace": "facility",
            "creationTimestamp": f"2026-01-01T00:00:{created:02}Z",
            "uid": f"uid-{name}",
            "generation": 1,
        },
        "spec": {"issuer": issuer, "clientSecret": {"name": f"{name}-client"}, "lakes": [lake], **spec},
    }


def user(name: str = "alice", vo_name: str = "cms", uid: int | None = None) -> Manifest:
    """A FacilityUser as the broker makes it."""
    spec = {"vo": vo_name, "sub": f"sub-{name}", "name": name} | ({"uid": uid} if uid else {})
    meta = {"name": names.hub_user(vo_name, name), "namespace": "facility"}
    return {"apiVersion": CUSTOM, "kind": "FacilityUser", "metadata": meta, "spec": spec}


def dataset(name: str = "run2026", vo_name: str = "cms", created: int = 1, **spec: Any) -> Manifest:
    """A CachedDataset as a person makes it."""
    meta = {
        "name": name,
        "namespace": "facility",
        "generation": 1,
        "creationTimestamp": f"2026-02-01T00:00:{created:02}Z",
    }
    wanted = {"vo": vo_name, "paths": [f"/{vo_name}/open/{name}"], **spec}
    return {"apiVersion": CUSTOM, "kind": "CachedDataset", "metadata": meta, "spec": wanted}


def secret(name: str, **data: str) -> Manifest:
    """A Secret as a person makes it."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "facility"}, "data": encoded}


def client_secret(vo_name: str = "cms") -> Manifest:
    """A VO's client."""
    return secret(f"{vo_name}-client", client_id="id", client_secret="secret")


class Issuers:
    """Any number of issuers on one address, told apart by path. `down`: those that answer 503."""

    def __init__(self) -> None:
        self.keys: dict[str, list[dict[str, Any]]] = {}
        self.named: dict[str, str] = {}
        self.down: set[str] = set()
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_get("/{name}/.well-known/openid-configuration", self._document)
        app.router.add_get("/{name}/jwks", self._jwks)
        self.server = TestServer(app, scheme="https", host="127.0.0.1")

    def url(self, name: str) -> str:
        """The issuer of that name."""
        return f"https://127.0.0.1:{self.server.port}/{name}/"

    async def _document(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(name)
        if name in self.down:
            return web.Response(status=503)
        issuer = self.url(name)
        return web.json_response({"issuer": self.named.get(name, issuer), "jwks_uri": f"{issuer}jwks"})

    async def _jwks(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": self.keys.get(request.match_info["name"], KEYS)})


class World:
    """All of it together, and the reconciler in it."""

    def __init__(self, api: ApiServer, issuers: Issuers, cluster: Cluster, authority: Authority) -> None:
        self.api, self.issuers, self.cluster, self.clock = api, issuers, cluster, Clock()
        self.discovery = Discovery(authority.client())
        self.addresses: dict[str, set[str]] = {}
        self.hosts = Hosts(self.clock, self._lookup)
        self.public = authority.bundle.read_text()
        self.site = SITE
        self.restart()

    def _lookup(self, host: str) -> set[str]:
        if host not in self.addresses:
            raise OSError(f"{host} is unknown")
        return self.addresses[host]

    def restart(self) -> None:
        """A new operator that remembers nothing."""
        around = Surroundings(self.cluster, self.site, self.discovery, self.hosts, self.clock, self.public)
        self.reconciler = Reconciler(around)

    def add_vo(self, name: str = "cms", created: int = 1, **spec: Any) -> None:
        """A VO with its client, whose issuer answers."""
        self.api.put(client_secret(name))
        self.api.put(vo(name, self.issuers.url(name), created, **spec))

    async def reconcile(self) -> None:
        """One pass, late enough that nothing is remembered of issuers."""
        self.clock.pass_by(100)
        await self.reconciler.once()

    def condition(self, name: str, kind: str = "Ready") -> tuple[str, str]:
        """Status and reason of a VO's condition."""
        found = self._condition(name, kind)
        return found["status"], found["reason"]

    def message(self, name: str, kind: str = "Ready") -> str:
        """The sentence of a VO's condition."""
        return str(self._condition(name, kind)["message"])

    def _condition(self, name: str, kind: str) -> dict[str, Any]:
        conditions = self.api.get("VirtualOrganization", name)["status"]["conditions"]
        return next(one for one in conditions if one["type"] == kind)


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    """The operator's surroundings, for as long as a test runs."""
    authority, issuers = Authority(directory), Issuers()
    await issuers.server.start_server(ssl=authority.server("127.0.0.1"))
    async with ApiServer() as api, connected(api) as cluster:
        made = World(api, issuers, cluster, authority)
        yield made
        await made.discovery.close()
        made.hosts.close()
    await issuers.server.close()


@asynccontextmanager
async def connected(api: ApiServer) -> AsyncIterator[Cluster]:
    """A client of that API server."""
    cluster = Cluster(client.ApiClient(client.Configuration(host=api.url)))
    try:
        yield cluster
    finally:
        await cluster.close()
