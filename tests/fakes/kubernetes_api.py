"""An API server in small: objects with versions, lists, watches, merge patches, token reviews. Real HTTP."""

from __future__ import annotations

import asyncio
import copy
import itertools
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fakes.patches import merged, selected

Json = dict[str, Any]
_PATH = re.compile(
    r"(?P<collection>/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/[a-z]+)(?:/(?P<name>[^/]+))?(?P<sub>/status)?"
)
_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


class KubernetesApi:
    """What is in it, who asked for what, and how it fails.

    `identities`: token to the `user` of its review. `fault`: given method and path, a status to fail with, or None.
    `held`: requests of this method and path wait for the event.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.identities: dict[str, Json] = {}
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Json] = []
        self.fault: Callable[[str, str], int | None] = lambda _method, _path: None
        self.held: dict[tuple[str, str], asyncio.Event] = {}
        self._versions = itertools.count(1)
        self._watchers: list[tuple[str, asyncio.Queue[Json | None]]] = []

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_shutdown.append(self._hang_up)
        return app

    def put(self, path: str, item: Json) -> Json:
        """Creates or replaces an object, as an admin does who is not looked at."""
        kind = "MODIFIED" if path in self.objects else "ADDED"
        item = copy.deepcopy(item)
        meta = item.setdefault("metadata", {})
        meta.setdefault("name", path.rpartition("/")[2])
        meta.setdefault("uid", f"uid-{next(self._versions)}")
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[path] = item
        self._tell(path, kind, item)
        return item

    def remove(self, path: str) -> None:
        """Deletes an object."""
        item = self.objects.pop(path)
        self._tell(path, "DELETED", item)

    async def drop_watches(self, *_: object) -> None:
        """Ends all watches, as an API server does when it restarts."""
        for _path, queue in self._watchers:
            queue.put_nowait(None)

    _hang_up = drop_watches

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if event := self.held.get((request.method, request.path)):
            await event.wait()
        if status := self.fault(request.method, request.path):
            return web.json_response({"kind": "Status", "code": status}, status=status)
        match = _PATH.fullmatch(request.path)
        if match is None:
            return _status(404)
        if request.path == _REVIEWS:
            return self._review(await request.json())
        if request.query.get("watch"):
            return await self._watch(request, match["collection"])
        return await getattr(self, f"_{request.method.lower()}")(request, match)

    def _review(self, body: Json) -> web.Response:
        spec = body["spec"]
        user = self.identities.get(spec["token"])
        audience = (user or {}).get("audience", "token-broker")
        if user is None or audience not in spec["audiences"]:
            status: Json = {"user": {}, "error": "[invalid bearer token]"}
        else:
            who = {key: value for key, value in user.items() if key != "audience"}
            status = {"authenticated": True, "audiences": [audience], "user": who}
        return web.json_response({**body, "status": status}, status=201)

    async def _get(self, request: web.Request, match: re.Match[str]) -> web.Response:
        if match["name"]:
            item = self.objects.get(f"{match['collection']}/{match['name']}")
            return web.json_response(item) if item else _status(404)
        found = [one for path, one in self.objects.items() if path.rpartition("/")[0] == match["collection"]]
        found = [one for one in found if selected(one, request.query.get("labelSelector", ""))]
        start = int(request.query.get("continue", 0))
        end = start + int(request.query.get("limit", len(found)))
        meta = {"resourceVersion": str(next(self._versions))} | ({"continue": str(end)} if end < len(found) else {})
        return web.json_response({"items": found[start:end], "metadata": meta})

    async def _post(self, request: web.Request, match: re.Match[str]) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        path = f"{match['collection']}/{body['metadata']['name']}"
        if path in self.objects:
            return _status(409)
        return web.json_response(self.put(path, body), status=201)

    async def _patch(self, request: web.Request, match: re.Match[str]) -> web.Response:
        path, body = f"{match['collection']}/{match['name']}", await request.json()
        self.bodies.append(body)
        if path not in self.objects:
            return _status(404)
        assert request.content_type == "application/merge-patch+json"
        item = self.objects[path]
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, item["metadata"]["resourceVersion"]):
            return _status(409)
        body = {"status": body.get("status", {})} if match["sub"] else body
        return web.json_response(self.put(path, merged(item, body)))

    async def _delete(self, request: web.Request, match: re.Match[str]) -> web.Response:
        if not match["name"]:
            selector, inside = request.query["labelSelector"], f"{match['collection']}/"
            for path in [path for path in self.objects if path.startswith(inside)]:
                if selected(self.objects[path], selector):
                    self.remove(path)
            return web.json_response({"kind": "Status", "status": "Success"})
        path = f"{match['collection']}/{match['name']}"
        if path not in self.objects:
            return _status(404)
        self.remove(path)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _watch(self, request: web.Request, collection: str) -> web.StreamResponse:
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        version = int(request.query["resourceVersion"])
        for path, item in self.objects.items():
            if path.rpartition("/")[0] == collection and int(item["metadata"]["resourceVersion"]) > version:
                queue.put_nowait({"type": "MODIFIED", "object": item})
        self._watchers.append((collection, queue))
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await queue.get()) is not None:
            await response.write(web.json_response(event).body + b"\n")  # type: ignore[operator]
        return response

    def _tell(self, path: str, kind: str, item: Json) -> None:
        for collection, queue in self._watchers:
            if path.rpartition("/")[0] == collection:
                queue.put_nowait({"type": kind, "object": item})


def _status(code: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": code}, status=code)
