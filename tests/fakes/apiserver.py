"""A small Kubernetes API server over HTTP: objects in memory, server-side apply, merge patches, watches.

It keeps what the operator relies on: resource versions that move only when something changed, generations that move
with the spec, refusal of what exists or has changed, a status of its own, owners whose dependents go with them,
finalizers that keep what is deleted, lists in pages, and watches that go on from a version while it is remembered.
Server-side apply is simplified to "the applied fields become so, fields applied before and left out now go".
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections import deque
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fakes.patches import having, merged, selected
from tests.fakes.patience import PATIENCE

Object = dict[str, Any]
Key = tuple[str, str, str, str]  # group and version, namespace, plural, name
GROUP = "analysis-facility.io/v1alpha1"
KINDS = {
    "v1": {
        "configmaps": "ConfigMap",
        "nodes": "Node",
        "pods": "Pod",
        "secrets": "Secret",
        "services": "Service",
        "serviceaccounts": "ServiceAccount",
        "resourcequotas": "ResourceQuota",
    },
    "apps/v1": {"statefulsets": "StatefulSet"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "rbac.authorization.k8s.io/v1": {"roles": "Role"},
    "scheduling.k8s.io/v1": {"priorityclasses": "PriorityClass"},
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "events.k8s.io/v1": {"events": "Event"},
    GROUP: {
        "virtualorganizations": "VirtualOrganization",
        "facilityusers": "FacilityUser",
        "cacheddatasets": "CachedDataset",
    },
}
_REMEMBERED = 5000  # changes that a watch can go on from


class ApiServer:
    """The objects, and the server that shows them.

    `refuse`: (verb, plural, pattern of names) to a message, for what must fail; POST with "" is every name.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.requests: list[tuple[str, str]] = []
        self.refuse: dict[tuple[str, str, str], str] = {}
        #: the deletionTimestamp of what is deleted and has finalizers
        self.deleted_at = "2026-01-01T00:00:00Z"
        self._applied: dict[Key, Object] = {}
        self._dependents: dict[str, dict[Key, None]] = {}
        self._version = 100
        self._news = asyncio.Event()
        self._watches: list[tuple[Key, asyncio.Queue[Object]]] = []
        self._history: deque[tuple[int, Key, Object]] = deque(maxlen=_REMEMBERED)
        app = web.Application()
        for root in ("/api/{version}", "/apis/{group}/{version}"):
            for path in (f"{root}/namespaces/{{namespace}}/{{plural}}", f"{root}/{{plural}}"):
                app.router.add_get(path, self._list)
                app.router.add_post(path, self._create)
                app.router.add_get(path + "/{name}", self._get)
                app.router.add_patch(path + "/{name}", self._patch)
                app.router.add_patch(path + "/{name}/{sub}", self._patch)
                app.router.add_delete(path + "/{name}", self._delete)
        self.server = TestServer(app)

    async def __aenter__(self) -> ApiServer:
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.disconnect()
        await self.server.close()

    @property
    def url(self) -> str:
        return str(self.server.make_url("/")).rstrip("/")

    # what tests say and ask

    def put(self, manifest: Object) -> Object:
        """Make or replace an object, as a person with kubectl would."""
        key = self._key_of(manifest)
        return self._store(
            key,
            copy.deepcopy(manifest) | ({"status": self.objects[key].get("status", {})} if key in self.objects else {}),
        )

    def get(self, kind: str, name: str, namespace: str = "facility") -> Object:
        return next(one for one in self.all(kind, namespace) if one["metadata"]["name"] == name)

    def all(self, kind: str, namespace: str = "facility") -> list[Object]:
        return [
            one
            for (version, space, plural, _), one in self.objects.items()
            if (space, KINDS[version][plural]) == (namespace, kind)
        ]

    def names(self, kind: str, namespace: str = "facility") -> set[str]:
        return {one["metadata"]["name"] for one in self.all(kind, namespace)}

    def remove(self, kind: str, name: str, namespace: str = "facility") -> None:
        """Delete an object, as a person with kubectl would."""
        self._end(self._key_of(self.get(kind, name, namespace)))

    def forget(self) -> None:
        """Remember no change any more, as after a compaction: watches from before are told so."""
        self._version += 1
        self._history.clear()
        self.disconnect()

    def disconnect(self) -> None:
        """End all watches, as a server that restarts does."""
        for _, queue in self._watches:
            queue.put_nowait({})

    def writes(self) -> list[tuple[str, str]]:
        """The requests that would change something, since the last time this was asked."""
        found = [one for one in self.requests if one[0] != "GET"]
        self.requests.clear()
        return found

    def watched(self) -> set[str]:
        """The plurals that somebody watches."""
        return {key[2] for key, _ in self._watches}

    async def until(self, seen: Callable[[], bool]) -> None:
        """Wait until a request has made that true. Raises TimeoutError after ten seconds."""
        async with asyncio.timeout(PATIENCE):
            while not seen():
                self._news.clear()
                await self._news.wait()

    # storing

    def _key_of(self, manifest: Object) -> Key:
        version, meta = manifest["apiVersion"], manifest["metadata"]
        plural = next(plural for plural, kind in KINDS[version].items() if kind == manifest["kind"])
        return version, meta.get("namespace", ""), plural, meta["name"]

    def _store(self, key: Key, manifest: Object) -> Object:
        before = self.objects.get(key)
        meta = manifest["metadata"]
        kept = (
            before["metadata"]
            if before
            else {"uid": str(uuid4()), "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
        )
        meta.setdefault("creationTimestamp", kept["creationTimestamp"])
        meta["uid"], meta["generation"] = kept["uid"], kept["generation"]
        if before and before.get("spec") != manifest.get("spec"):
            meta["generation"] += 1
        meta["resourceVersion"] = before["metadata"]["resourceVersion"] if before else ""
        if before == manifest:
            return manifest
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        self.objects[key] = manifest
        for owner in meta.get("ownerReferences", []):
            self._dependents.setdefault(owner["uid"], {})[key] = None
        self._tell("MODIFIED" if before else "ADDED", key)
        return manifest

    def _end(self, key: Key) -> None:
        """Delete it, or mark it as deleted while it has finalizers."""
        found = copy.deepcopy(self.objects[key])
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", self.deleted_at)
            self._store(key, found)
        else:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        gone = self.objects[key] = copy.deepcopy(self.objects[key])
        self._version += 1
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._tell("DELETED", key)
        del self.objects[key]
        self._applied.pop(key, None)
        for other in self._dependents.pop(gone["metadata"]["uid"], ()):
            if other in self.objects:
                self._end(other)

    def _tell(self, kind: str, key: Key) -> None:
        self._news.set()
        event = {"type": kind, "object": copy.deepcopy(self.objects[key])}
        self._history.append((self._version, key, event))
        for watched, queue in self._watches:
            if watched[:3] == key[:3]:
                queue.put_nowait(event)

    # HTTP

    def _key(self, request: web.Request) -> Key:
        info = request.match_info
        version = f"{info['group']}/{info['version']}" if "group" in info else info["version"]
        return version, info.get("namespace", ""), info["plural"], info.get("name", "")

    def _note(self, request: web.Request, key: Key) -> None:
        self.requests.append((request.method, "/".join(part for part in key[1:] if part)))
        self._news.set()
        for (verb, plural, name), message in self.refuse.items():
            pattern = name or ("*" if verb == "POST" else "")
            if (verb, plural) == (request.method, key[2]) and fnmatchcase(key[3], pattern):
                raise _failure(web.HTTPUnprocessableEntity, "Invalid", message)

    def _found(self, key: Key) -> Object:
        if key not in self.objects:
            raise _failure(web.HTTPNotFound, "NotFound", f'{key[2]} "{key[3]}" not found')
        return self.objects[key]

    async def _get(self, request: web.Request) -> web.Response:
        key = self._key(request)
        self._note(request, key)
        return web.json_response(self._found(key))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        key = self._key(request)
        self._note(request, key)
        if request.query.get("watch") == "true":
            return await self._watch(request, key)
        selector = request.query.get("labelSelector", "")
        fields = request.query.get("fieldSelector", "")
        same = [one for other, one in self.objects.items() if other[:3] == key[:3]]
        found = [one for one in same if selected(one, selector) and having(one, fields)]
        begin, size = int(request.query.get("continue", "0")), int(request.query.get("limit", str(len(found) or 1)))
        more = {"continue": str(begin + size)} if begin + size < len(found) else {}
        page: list[Object] | None = found[begin : begin + size]
        if "PartialObjectMetadataList" in request.headers.get("Accept", ""):
            page = [{"metadata": one["metadata"]} for one in page or ()] or None  # as the real one does
        kind = f"{KINDS[key[0]][key[2]]}List"
        meta = {"resourceVersion": str(self._version), **more}
        return web.json_response({"kind": kind, "apiVersion": key[0], "metadata": meta, "items": page})

    async def _watch(self, request: web.Request, key: Key) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        queue = self._queue(int(request.query.get("resourceVersion", "0")), key)
        entry = (key, queue)
        self._watches.append(entry)
        self._news.set()
        slim = "PartialObjectMetadata" in request.headers.get("Accept", "")
        try:
            while event := await queue.get():
                if event["type"] == "ERROR" or selected(event["object"], request.query.get("labelSelector", "")):
                    await response.write(json.dumps(_slim(event) if slim else event).encode() + b"\n")
        finally:
            self._watches.remove(entry)
        return response

    def _queue(self, version: int, key: Key) -> asyncio.Queue[Object]:
        """What happened after that version, or that it is not remembered."""
        queue: asyncio.Queue[Object] = asyncio.Queue()
        oldest = self._history[0][0] if self._history else self._version + 1
        if 0 < version < oldest - 1:
            gone = {"kind": "Status", "metadata": {}, "code": 410, "message": "too old resource version"}
            queue.put_nowait({"type": "ERROR", "object": gone})
            queue.put_nowait({})
        for then, other, event in self._history if version else ():
            if then > version and other[:3] == key[:3]:
                queue.put_nowait(event)
        return queue

    async def _create(self, request: web.Request) -> web.Response:
        manifest = await request.json()
        key = self._key_of(manifest)
        self._note(request, key)
        if key in self.objects:
            raise _failure(web.HTTPConflict, "AlreadyExists", f'{key[2]} "{key[3]}" already exists')
        return web.json_response(self._store(key, manifest), status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        key, body = self._key(request), await request.json()
        self._note(request, key)
        if request.content_type == "application/apply-patch+yaml":
            return web.json_response(self._apply(key, body))
        before = self._found(key)
        wanted = body.get("metadata", {}).get("resourceVersion", before["metadata"]["resourceVersion"])
        if wanted != before["metadata"]["resourceVersion"]:
            raise _failure(web.HTTPConflict, "Conflict", "the object has been modified")
        after = self._store(key, merged(before, body))
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            self._drop(key)
        return web.json_response(after)

    def _apply(self, key: Key, body: Object) -> Object:
        before = self.objects.get(key, {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {}})
        left_out = _without(self._applied.get(key, {}), body)
        after = merged(merged(before, left_out), body)
        self._applied[key] = body
        return self._store(key, after)

    async def _delete(self, request: web.Request) -> web.Response:
        key = self._key(request)
        self._note(request, key)
        found = self._found(key)
        options = await request.json() if request.can_read_body else {}
        version = options.get("preconditions", {}).get("resourceVersion")
        if version not in (None, found["metadata"]["resourceVersion"]):
            raise _failure(web.HTTPConflict, "Conflict", "the resourceVersion is another than in the preconditions")
        self._end(key)
        return web.json_response({"kind": "Status", "status": "Success"})


def _slim(event: Object) -> Object:
    """With its object's metadata alone, as far as it is an object."""
    return event if event["type"] == "ERROR" else {**event, "object": {"metadata": event["object"]["metadata"]}}


def _failure(kind: type[web.HTTPException], reason: str, message: str) -> web.HTTPException:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return kind(text=json.dumps(body), content_type="application/json")


def _without(old: Object, new: Object) -> Object:
    """A merge patch that removes what `old` has and `new` has not."""
    return dict(_gone(old, new))


def _gone(old: Object, new: Object) -> Iterator[tuple[str, Any]]:
    for key, value in old.items():
        if key not in new:
            yield key, None
        elif isinstance(value, dict) and isinstance(new[key], dict):
            yield key, _without(value, new[key])
