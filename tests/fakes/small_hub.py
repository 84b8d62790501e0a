"""A hub with one notebook server and the issuer of cms, as small as the demo's person needs them.

All of them are one real https server with the names of the demo's services, on this machine's loopback address.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from flask import Flask

from facility.dev.issuer import html
from tests.fakes.authority import Authority

with Flask(__name__).app_context():
    #: the forms of the development issuer, which are those of INDIGO IAM
    LOGIN = html.login("CMS", failed=False)
    APPROVE = html.approve("CMS", "facility", "alice", ("openid",), "/approve")

Message = dict[str, Any]
#: what a kernel sends for one request
Script = Callable[["Channel"], Awaitable[None]]


@dataclass
class Channel:
    """One request at the kernel: what it asked, and the way back."""

    socket: web.WebSocketResponse
    request: Message

    async def say(self, kind: str, parent: str = "", **content: Any) -> None:
        """A message that answers the request, or another one's."""
        parent = parent or self.request["header"]["msg_id"]
        await self.socket.send_json({"msg_type": kind, "parent_header": {"msg_id": parent}, "content": content})

    async def end(self, status: str = "ok") -> None:
        """As every request ends."""
        await self.say("execute_reply", status=status)
        await self.say("status", execution_state="idle")


@dataclass
class Places:
    """A hub with one notebook server, and the issuer of cms. `seen`: (method, path, anti-forgery token) of requests."""

    port: int = 0
    bundle: str = ""
    script: Script | None = None
    failure: str = ""
    refusal: tuple[int, str] | None = None
    files: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def url(self, host: str) -> str:
        return f"https://{host}.demo.svc:{self.port}"

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self.note])
        app.router.add_get("/hub/oauth/cms/login", self.begin)
        app.router.add_get("/hub/oauth/cms/callback", self.back)
        app.router.add_get("/hub/home", self.home)
        app.router.add_route("*", "/hub/api/users/cms-alice/server", self.server)
        app.router.add_get("/hub/api/users/cms-alice/server/progress", self.progress)
        app.router.add_get("/user/cms-alice/lab", self.lab)
        app.router.add_route("*", "/user/cms-alice/api/contents/{path:.+}", self.contents)
        app.router.add_post("/user/cms-alice/api/kernels", self.start_kernel)
        app.router.add_get("/user/cms-alice/api/kernels/k1/channels", self.channels)
        app.router.add_delete("/user/cms-alice/api/kernels/k1", self.gone)
        app.router.add_get("/authorize", self.authorize)
        app.router.add_post("/login", self.log_in)
        app.router.add_post("/approve", self.approve)
        return app

    @web.middleware
    async def note(self, request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        self.seen.append((request.method, request.path, request.headers.get("X-XSRFToken", "")))
        return await handler(request)

    async def begin(self, request: web.Request) -> web.Response:
        if self.refusal:
            return web.Response(status=self.refusal[0], text=f"<h1>{self.refusal[1]}</h1>", content_type="text/html")
        raise web.HTTPFound(f"{self.url('iam-cms')}/authorize")

    async def authorize(self, request: web.Request) -> web.Response:
        page = LOGIN if "known" not in request.cookies else APPROVE
        return web.Response(text=page, content_type="text/html")

    async def log_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form["username"], form["password"]) != ("alice", "correct horse"):
            raise web.HTTPFound("/login?error=failure")
        answer = web.HTTPFound("/authorize")
        answer.set_cookie("known", "alice")
        raise answer

    async def approve(self, request: web.Request) -> web.Response:
        form = await request.post()
        error = "error=access_denied" if "deny" in form else "code=c1"
        raise web.HTTPFound(f"{self.url('hub')}/hub/oauth/cms/callback?{error}&state=s")

    async def back(self, request: web.Request) -> web.Response:
        assert request.query["code"] == "c1"
        answer = web.HTTPFound("/hub/home")
        answer.set_cookie("_xsrf", "of-hub", path="/hub/")
        raise answer

    async def home(self, request: web.Request) -> web.Response:
        return web.Response(text='<a href="/hub/spawn/cms-alice">start</a>', content_type="text/html")

    async def server(self, request: web.Request) -> web.Response:
        return web.json_response({}, status=202)

    async def progress(self, request: web.Request) -> web.Response:
        last = {"failed": True, "message": self.failure} if self.failure else {"ready": True}
        lines = [{"progress": 10, "message": "requested"}, last]
        return web.Response(text="\n\n".join(f"data: {json.dumps(one)}" for one in lines) + "\n\n")

    async def lab(self, request: web.Request) -> web.Response:
        answer = web.Response(text="lab")
        answer.set_cookie("_xsrf", "of-server", path="/user/cms-alice/")
        return answer

    async def contents(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if request.method == "PUT":
            self.files[path] = (await request.json())["content"]
            return web.json_response({}, status=201)
        if path not in self.files:
            return web.Response(status=404, text="No such file")
        return web.json_response({"content": self.files[path]})

    async def start_kernel(self, request: web.Request) -> web.Response:
        return web.json_response({"id": "k1"}, status=201)

    async def gone(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def channels(self, request: web.Request) -> web.WebSocketResponse:
        assert request.headers["Origin"] == self.url("hub")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert self.script is not None
            await self.script(Channel(socket, json.loads(message.data)))
        return socket


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[Places]:
    """Serves while entered, as hub.demo.svc and iam-cms.demo.svc."""
    made = Places()
    runner = web.AppRunner(made.application())
    await runner.setup()
    context = authority.server("hub.demo.svc", "iam-cms.demo.svc")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.port, made.bundle = runner.addresses[0][1], authority.bundle.read_text()
    try:
        yield made
    finally:
        await runner.cleanup()
