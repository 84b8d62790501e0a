"""A thousand VOs with their clients and people, on any API server, and their issuers."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from facility import names
from facility.operator.cluster import Cluster
from facility.operator.objects import CONFIG_MAP, CUSTOM, VIRTUAL_ORGANIZATION, Manifest, Reference
from tests.fakes.authority import Authority
from tests.fakes.operator_world import KEYS

VOS = 1000
_WIDTH = 16  # requests at a time


@asynccontextmanager
async def issuers(directory: Path) -> AsyncIterator[tuple[str, str]]:
    """Any number of issuers, told apart by path: the URL before the path, and whom to trust for it (PEM)."""
    authority = Authority(directory)
    base = ""

    async def document(request: web.Request) -> web.Response:
        issuer = f"{base}/{request.match_info['vo']}/"
        return web.json_response({"issuer": issuer, "jwks_uri": f"{issuer}jwks"})

    async def jwks(_: web.Request) -> web.Response:
        return web.json_response({"keys": KEYS})

    app = web.Application()
    app.router.add_get("/{vo}/.well-known/openid-configuration", document)
    app.router.add_get("/{vo}/jwks", jwks)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server("127.0.0.1"))
    await site.start()
    port = runner.addresses[0][1]
    base = f"https://127.0.0.1:{port}"
    try:
        yield base, authority.bundle.read_text()
    finally:
        await runner.cleanup()


class Load:
    """The objects, made and changed as people do."""

    def __init__(self, cluster: Cluster, namespace: str, url: str, vos: int, users: int) -> None:
        self._cluster, self._namespace, self._url = cluster, namespace, url
        self.vos, self.users = vos, users

    async def make(self) -> None:
        """Clients, VOs, people: these with their uids, as they would have them after years, but for the last few."""
        await _all(self._cluster.create(self._client(number)) for number in range(self.vos))
        await _all(self._cluster.create(self._vo(number)) for number in range(self.vos))
        await _all(self._cluster.create(self._person(number)) for number in range(self.users))

    async def change(self, number: int, chosen: random.Random) -> None:
        """A person signs in for the first time, or a VO gets another group or another name."""
        if number % 2:
            await self._cluster.create(self._person(self.users, chosen.randrange(self.vos)))
            self.users += 1
            return
        vo = Reference(VIRTUAL_ORGANIZATION, self._namespace, _name(chosen.randrange(self.vos)))
        group = {"login": {"allowedGroups": [f"/wlcg/{number}"]}}
        await self._cluster.merge(vo, {"spec": group if number % 4 else {"displayName": f"VO {number}"}})

    async def effect(self, vo: int) -> float:
        """Seconds from a person's first sign-in until their VO's access point may know them."""
        person = self._person(self.users, vo)
        self.users += 1
        begun = time.monotonic()
        await self._cluster.create(person)
        people = Reference(CONFIG_MAP, f"{self._namespace}-batch", f"ap-{_name(vo)}-people")
        while not await self._has(people, person["spec"]["sub"]):  # noqa: ASYNC110 - it is another process that does it
            await asyncio.sleep(0.02)
        return time.monotonic() - begun

    async def _has(self, people: Reference, sub: str) -> bool:
        found = await self._cluster.read(people)
        return found is not None and f',{sub}"' in found["data"]["mapfile"]

    async def remove(self) -> None:
        """Delete all VOs."""
        refs = (Reference(VIRTUAL_ORGANIZATION, self._namespace, _name(number)) for number in range(self.vos))
        await _all(self._cluster.delete(ref) for ref in refs)

    def _client(self, number: int) -> Manifest:
        data = {key: base64.b64encode(b"p10").decode() for key in ("client_id", "client_secret")}
        meta = {"name": f"{_name(number)}-client", "namespace": self._namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}

    def _vo(self, number: int) -> Manifest:
        name, origin = _name(number), "https://origin.example.org:1094"
        lake = {"prefix": f"/{name}", "origin": origin, "audience": origin, "scopes": ["storage.read:/embargoed"]}
        spec: dict[str, Any] = {
            "issuer": f"{self._url}/{name}/",
            "clientSecret": {"name": f"{name}-client"},
            "lakes": [lake],
            "limits": {"total": {"servers": 50, "cpu": "200", "memory": "800Gi"}},
        }
        meta = {"name": name, "namespace": self._namespace}
        return {"apiVersion": CUSTOM, "kind": "VirtualOrganization", "metadata": meta, "spec": spec}

    def _person(self, number: int, vo: int | None = None) -> Manifest:
        of, name = _name(number % self.vos if vo is None else vo), f"person{number}"
        spec = {"vo": of, "sub": f"00000000-0000-4000-8000-{number:012}", "name": name}
        given = {"uid": 20000 + number} if vo is None else {}
        meta = {"name": names.hub_user(of, name), "namespace": self._namespace}
        return {"apiVersion": CUSTOM, "kind": "FacilityUser", "metadata": meta, "spec": {**spec, **given}}


def _name(number: int) -> str:
    return f"p10v{number:04}"


async def _all(requests: Iterable[Coroutine[Any, Any, object]]) -> None:
    room = asyncio.Semaphore(_WIDTH)

    async def one(request: Coroutine[Any, Any, object]) -> None:
        async with room:
            await request

    await asyncio.gather(*(one(request) for request in requests))
