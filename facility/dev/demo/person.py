"""A person at the hub, as far as a script can be one: signs in through the issuer's own form, spawns, runs cells.

Only what a browser would send is sent: cookies, forms, the anti-forgery token of the page in hand. All TLS is
verified against the facility's bundle; the names of the demo's services lead to the one address where their node
ports are.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from facility.dev.demo.kernel import Kernel
from facility.dev.demo.pages import forms, words
from facility.dev.demo.terminal import Terminal


class OneAddress(AbstractResolver):
    """Resolves every name to one address, where the cluster's node ports are: for kind this machine's loopback."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The one address, for whatever name."""
        found = ResolveResult(
            hostname=host, host=self._address, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [found]

    async def close(self) -> None:
        """Holds nothing."""


class SignInError(RuntimeError):
    """The hub or the issuer refused; the text has the page's words."""


@dataclass
class Person:
    """One person with one cookie jar."""

    hub: str
    vo: str
    account: str
    password: str = field(repr=False)
    http: aiohttp.ClientSession = field(repr=False)
    user: str = ""
    notebook: str = field(default="", repr=False)

    async def sign_in(self) -> str:
        """Through chooser, the issuer's login form and consent, back to the hub. The hub user's name.

        Raises:
            SignInError: any of them refused.
        """
        url = f"{self.hub}/hub/oauth/{self.vo}/login?next=%2Fhub%2Fhome"
        for _ in range(8):
            async with self.http.get(url) as answer:
                page, at = await answer.text(), str(answer.url)
                if answer.status >= 400:
                    raise SignInError(f"{answer.status} at {_short(at)}: {words(page)}")
            if at.startswith(self.hub):
                break
            url = await self._at_issuer(page, at)
        self.user = await self._who()
        return self.user

    async def _at_issuer(self, page: str, at: str) -> str:
        form = forms(page)[0]
        values = dict(form.fields)
        if "username" in values:
            values |= {"username": self.account, "password": self.password}
        values.pop("deny", None)
        async with self.http.post(urljoin(at, form.action), data=values, allow_redirects=False) as answer:
            where = answer.headers.get("Location", "")
            if not where or "error=failure" in where:
                raise SignInError(f"{answer.status}: {words(await answer.text())} {_short(where)}")
            return urljoin(at, where)

    async def _who(self) -> str:
        async with self.http.get(f"{self.hub}/hub/home") as answer:
            page = await answer.text()
            found = re.search(r'"?user"?\s*[:=]\s*"([a-z0-9-]+)"', page) or re.search(r"/hub/spawn/([a-z0-9-]+)", page)
            if answer.status != 200 or not found:
                raise SignInError(f"no user on the hub's home page ({answer.status}): {words(page)}")
            return found.group(1)

    async def spawn(self, seconds: float = 240) -> str:
        """Start the notebook server and wait until it answers. Its URL, with slash at the end."""
        base = f"{self.hub}/hub/api/users/{self.user}/server"
        async with asyncio.timeout(seconds):
            while not await self._asked_to_start(base):  # noqa: ASYNC110 - the hub has no event that tells of it
                await asyncio.sleep(0.5)
            await self._ready(f"{base}/progress")
        self.notebook = f"{self.hub}/user/{self.user}/"
        async with self.http.get(f"{self.notebook}lab") as answer:
            if answer.status != 200:
                raise SignInError(f"{answer.status} at the notebook: {words(await answer.text())}")
        return self.notebook

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and text of a request to the hub's API, as one of the hub's own pages would make it."""
        headers = {**self._xsrf("/hub/"), "Referer": f"{self.hub}/hub/home"}
        async with self.http.request(method, f"{self.hub}/hub/api{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def _asked_to_start(self, base: str) -> bool:
        """Whether the server starts or runs; False while the hub looks after it or stops it."""
        async with self.http.post(base, json={}, headers=self._xsrf("/hub/")) as answer:
            text = await answer.text()
            if answer.status in (201, 202) or "already running" in text:
                return True
            if answer.status == 400 and re.search(r"pending (check|stop)", text):
                return False
            raise SignInError(f"{answer.status} at spawn: {words(text)}")

    async def _ready(self, url: str) -> None:
        async with self.http.get(url, headers=self._xsrf("/hub/")) as answer:
            async for line in answer.content:
                if not line.startswith(b"data:"):
                    continue
                event = json.loads(line[5:])
                if event.get("failed"):
                    raise SignInError(f"spawn failed: {event.get('message')}")
                if event.get("ready"):
                    return

    async def stop(self) -> None:
        """Stop the notebook server; it is gone or going afterwards."""
        base = f"{self.hub}/hub/api/users/{self.user}/server"
        async with self.http.delete(base, headers=self._xsrf("/hub/")) as answer:
            if answer.status not in (202, 204, 404):
                raise SignInError(f"{answer.status} at stop: {words(await answer.text())}")

    async def put(self, path: str, text: str) -> None:
        """Write a text file into the home directory, by Jupyter's contents API."""
        body = {"type": "file", "format": "text", "content": text}
        url = f"{self.notebook}api/contents/{path}"
        async with self.http.put(url, json=body, headers=self._xsrf(self._path)) as answer:
            if answer.status not in (200, 201):
                raise SignInError(f"{answer.status} writing {path}: {words(await answer.text())}")

    async def get(self, path: str) -> str:
        """Read a file of the home directory; binary ones as base64 text (Jupyter's contents API)."""
        async with self.http.get(f"{self.notebook}api/contents/{path}") as answer:
            if answer.status != 200:
                raise SignInError(f"{answer.status} reading {path}: {words(await answer.text())}")
            return str((await answer.json())["content"])

    @asynccontextmanager
    async def kernel(self) -> AsyncIterator[Kernel]:
        """A kernel of one's own, ended afterwards."""
        async with self._started("kernels", 201, "id") as name:
            url = f"{self.notebook}api/kernels/{name}/channels"
            yield Kernel(
                lambda: self.http.ws_connect(
                    f"{url}?session_id={uuid.uuid4().hex}", origin=self.hub, max_msg_size=2**26
                )
            )

    @asynccontextmanager
    async def terminal(self) -> AsyncIterator[Terminal]:
        """A terminal of one's own, ended afterwards."""
        where = f"{self.notebook}terminals/websocket/"
        async with (
            self._started("terminals", 200, "name") as name,
            self.http.ws_connect(where + name, origin=self.hub) as channel,
        ):
            yield Terminal(channel)

    @asynccontextmanager
    async def _started(self, kind: str, status: int, key: str) -> AsyncIterator[str]:
        """Something of Jupyter's that runs, by what the answer calls it; ended afterwards."""
        url = f"{self.notebook}api/{kind}"
        async with self.http.post(url, json={}, headers=self._xsrf(self._path)) as answer:
            if answer.status != status:
                raise SignInError(f"{answer.status} starting one of {kind}: {words(await answer.text())}")
            name = str((await answer.json())[key])
        try:
            yield name
        finally:
            async with self.http.delete(f"{url}/{name}", headers=self._xsrf(self._path)):
                pass

    @property
    def _path(self) -> str:
        return urlsplit(self.notebook).path

    def _xsrf(self, path: str) -> dict[str, str]:
        """The anti-forgery token of the page with the most specific path (JupyterHub keeps one per server)."""
        ours = [c for c in self.http.cookie_jar if c.key == "_xsrf" and c["domain"] == urlsplit(self.hub).hostname]
        found = [c for c in ours if path.startswith(c["path"] or "/")]
        best = max(found, key=lambda c: len(c["path"] or "/"), default=None)
        return {"X-XSRFToken": best.value} if best else {}


@asynccontextmanager
async def at_hub(
    hub: str, bundle: str, vo: str, account: str, password: str, address: str = "127.0.0.1"
) -> AsyncIterator[Person]:
    """A person with a fresh cookie jar. `bundle`: PEM text of the CAs to trust; `hub`: its URL without slash.

    `address`: where the ports of hub and issuers are, whatever their names.
    """
    trust = ssl.create_default_context(cadata=bundle)
    # before 3.12.8 Python forgets TLS connections that the other side ends (python/cpython#118960)
    connector = aiohttp.TCPConnector(
        resolver=OneAddress(address), ssl=trust, enable_cleanup_closed=sys.version_info < (3, 12, 8)
    )
    timeout = aiohttp.ClientTimeout(total=300, sock_connect=10)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            yield Person(hub.rstrip("/"), vo, account, password, http)
    finally:
        await asyncio.sleep(0.25)  # aiohttp cannot wait for the end of TLS (its documentation, Graceful Shutdown)


def _short(url: str) -> str:
    """Without query: it may hold a code."""
    return url.partition("?")[0]
