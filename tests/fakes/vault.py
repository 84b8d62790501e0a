"""HashiCorp Vault, the real one or a small server that answers as its API documentation says.

The small one has what the broker uses: login with a pod's token (auth/kubernetes), renew-self and revoke-self
(auth/token), and the KV engine's version 2 (read, write with check-and-set, list, metadata). The real one is the
program that FACILITY_VAULT names (`python -m facility.dev.vault` builds it), with Kubernetes authentication against the
fake API server; the same tests run against both.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fakes.authority import Authority
from tests.fakes.kubernetes_api import KubernetesApi
from tests.fakes.patience import PATIENCE

Json = dict[str, Any]
MOUNT, AUTH, ROLE, AUDIENCE, TTL = "secret", "kubernetes", "broker", "vault", 3600
WHO = "system:serviceaccount:facility:broker"
REAL = os.environ.get("FACILITY_VAULT", "")
POLICY = """
path "secret/data/analysis-facility/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/analysis-facility/*" { capabilities = ["create", "update", "list", "delete"] }
"""


class Vault(Protocol):
    """A Vault that is set up for the broker."""

    url: str

    async def revoke(self, token: str) -> None:
        """Has a token forgotten."""


class SmallVault:
    """Documents with versions, and tokens. `requests`: method and path of each request."""

    def __init__(self, api: KubernetesApi) -> None:
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.status: int | None = None
        self._api = api
        self._tokens: set[str] = set()
        self._kept: dict[str, dict[int, Json]] = {}
        self._settings: dict[str, Json] = {}

    async def revoke(self, token: str) -> None:
        """See Vault."""
        self._tokens.discard(token)

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._guarded])
        app.router.add_post(f"/v1/auth/{AUTH}/login", self._login)
        app.router.add_post("/v1/auth/token/renew-self", self._renew)
        app.router.add_post("/v1/auth/token/revoke-self", self._revoke)
        for method, part, handler in (
            ("GET", "data", self._read),
            ("POST", "data", self._write),
            ("GET", "metadata", self._list),
            ("POST", "metadata", self._configure),
            ("DELETE", "metadata", self._delete),
        ):
            app.router.add_route(method, f"/v1/{MOUNT}/{part}/{{path:.+}}", handler)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.status is not None:
            return _errors(self.status, "Vault is sealed")
        if not request.path.endswith("/login") and request.headers.get("X-Vault-Token") not in self._tokens:
            return _errors(403, "permission denied", "invalid token")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _login(self, request: web.Request) -> web.Response:
        body = await request.json()
        user = self._api.identities.get(body["jwt"], {})
        if (body["role"], user.get("username"), user.get("audience")) != (ROLE, WHO, AUDIENCE):
            return _errors(403, "permission denied")
        token = f"hvs.{uuid4().hex}"
        self._tokens.add(token)
        return _auth(token)

    async def _renew(self, request: web.Request) -> web.Response:
        return _auth(request.headers["X-Vault-Token"])

    async def _revoke(self, request: web.Request) -> web.Response:
        self._tokens.discard(request.headers["X-Vault-Token"])
        return web.Response(status=204)

    async def _read(self, request: web.Request) -> web.Response:
        versions = self._kept.get(request.match_info["path"], {})
        number = int(request.query.get("version", max(versions, default=0)))
        if number not in versions:
            return _errors(404)
        return web.json_response({"data": {"data": versions[number], "metadata": {"version": number}}})

    async def _write(self, request: web.Request) -> web.Response:
        path, body = request.match_info["path"], await request.json()
        versions = self._kept.setdefault(path, {})
        if body["options"]["cas"] != max(versions, default=0):
            return _errors(400, "check-and-set parameter did not match the current version")
        number = max(versions, default=0) + 1
        versions[number] = body["data"]
        for old in sorted(versions)[: -self._settings.get(path, {}).get("max_versions", 10)]:
            del versions[old]
        return web.json_response({"data": {"version": number}})

    async def _list(self, request: web.Request) -> web.Response:
        folder = request.match_info["path"].rstrip("/") + "/"
        keys = sorted({path.removeprefix(folder) for path in self._kept if path.startswith(folder)})
        return web.json_response({"data": {"keys": keys}}) if keys else _errors(404)

    async def _configure(self, request: web.Request) -> web.Response:
        self._settings[request.match_info["path"]] = await request.json()
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        self._kept.pop(request.match_info["path"], None)
        self._settings.pop(request.match_info["path"], None)
        return web.Response(status=204)


class RealVault:
    """The real one, spoken to as its administrator."""

    def __init__(self, url: str, root: str, context: ssl.SSLContext) -> None:
        self.url, self._root, self._context = url, root, context

    async def revoke(self, token: str) -> None:
        """See Vault."""
        await self.ask("POST", "auth/token/revoke", {"token": token})

    async def ask(self, method: str, path: str, body: Json) -> None:
        """A request of its administrator's."""
        async with (
            aiohttp.ClientSession(headers={"X-Vault-Token": self._root}) as http,
            http.request(method, f"{self.url}/v1/{path}", json=body, ssl=self._context) as answer,
        ):
            assert answer.status in (200, 204), (path, answer.status, await answer.text())

    async def set_up(self, api_url: str, authority: Authority) -> None:
        """As docs/how-to/store-sessions.md has it."""
        await self.ask("POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
        await self.ask("POST", f"sys/auth/{AUTH}", {"type": "kubernetes"})
        config = {"kubernetes_host": api_url, "kubernetes_ca_cert": authority.bundle.read_text()}
        await self.ask("POST", f"auth/{AUTH}/config", {**config, "disable_local_ca_jwt": True})
        await self.ask("POST", "sys/policies/acl/broker", {"policy": POLICY})
        role = {"bound_service_account_names": ["broker"], "bound_service_account_namespaces": ["facility"]}
        role |= {"audience": AUDIENCE, "token_policies": ["broker"], "token_ttl": TTL, "token_max_ttl": 30 * TTL}
        await self.ask("POST", f"auth/{AUTH}/role/{ROLE}", role)


@asynccontextmanager
async def running(api: KubernetesApi, api_url: str, authority: Authority) -> AsyncIterator[Vault]:
    """A Vault that lets the broker in."""
    tls = authority.server("127.0.0.1")
    if REAL:
        async with _real(api_url, authority) as found:
            yield found
        return
    small = SmallVault(api)
    server = TestServer(small.application(), scheme="https")
    await server.start_server(ssl=tls)
    small.url = str(server.make_url("")).rstrip("/")
    try:
        yield small
    finally:
        await server.close()


@asynccontextmanager
async def _real(api_url: str, authority: Authority) -> AsyncIterator[RealVault]:
    files = authority.write(authority.directory / "vault", "127.0.0.1")
    pair = files / "pair.pem"  # the program takes certificate and key in one file
    pair.write_bytes((files / "tls.crt").read_bytes() + (files / "tls.key").read_bytes())
    process = await create_subprocess_exec(REAL, str(pair), stdout=PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            port, root = (await process.stdout.readline()).decode().split()
            found = RealVault(f"https://127.0.0.1:{port}", root, authority.client())
            await found.set_up(api_url, authority)
        yield found
    finally:
        process.kill()
        await process.wait()


def _auth(token: str) -> web.Response:
    return web.json_response({"auth": {"client_token": token, "lease_duration": TTL, "renewable": True}})


def _errors(status: int, *texts: str) -> web.Response:
    return web.json_response({"errors": list(texts)}, status=status)
