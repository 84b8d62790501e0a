"""An https server that remembers who showed which token, and redirects where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.authority import Authority


@dataclass
class LakeServer:
    """`seen` holds (host asked, path, Authorization or ""); `most` how many connections were open at once."""

    port: int = 0
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    open: set[object] = field(default_factory=set)
    most: int = 0

    def url(self, host: str, path: str = "/file") -> str:
        """An https URL of this server under one of its names."""
        return f"https://{host}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.Response:
        """Content to whoever shows any token, 403 otherwise; /to?url= goes elsewhere; /slow keeps waiting a little."""
        self.seen.append((request.url.host or "", request.path, request.headers.get("Authorization", "")))
        if request.path == "/to":
            raise web.HTTPFound(request.query["url"])
        if request.path == "/slow":
            self.open.add(request.transport)
            self.most = max(self.most, len(self.open))
            await asyncio.sleep(0.01)
        if request.path == "/forbidden":
            raise web.HTTPForbidden
        return web.Response(body=b"events")


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[LakeServer]:
    """Serves as `localhost` and as `127.0.0.1`, which are two hosts to a client."""
    server = LakeServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    context = authority.server("localhost", "127.0.0.1")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
