"""The only module of the operator that talks to the API server: verbs on plain dictionaries, each limited in time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from facility.operator.objects import Kind, Manifest, Reference, reference

FIELD_MANAGER = "facility-operator"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"
_TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte: the client's own default is to wait for ever
_SILENCE = 130  # seconds without a byte of a watch: about every minute the API server says that it is still there
_OK, _NOT_FOUND, _CONFLICT, _GONE = 200, 404, 409, 410
_PAGE = 500  # objects of one answer: a long list is never in memory as a whole
_WATCH = 290  # seconds of one watch


class ClusterError(Exception):
    """The API server refused or did not answer; the text is its message, never a request's body."""


class ConflictError(ClusterError):
    """The object has changed since it was read, or exists already."""


class GoneError(ClusterError):
    """What changed since then is not known any more: everything has to be listed anew."""


#: objects, and the version of the whole list that they are of
Page = tuple[list[Manifest], str]
#: told of each answer: verb (as in RBAC) and HTTP status, 0 when there was none
Observer = Callable[[str, int], None]


class Cluster:
    """A connection to the API server.

    `guard` is called before each write, and raises ClusterError when this operator may not write (any more);
    `observe` is told of each answer.
    """

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self.guard: Callable[[], None] = lambda: None
        self.observe: Observer = lambda _verb, _status: None

    @classmethod
    async def connect(cls) -> Self:
        """With the pod's ServiceAccount, or with the kubeconfig of whoever runs the operator outside a cluster."""
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await config.load_kube_config(client_configuration=settings)
        return cls(client.ApiClient(settings))

    def unguarded(self) -> Cluster:
        """The same connection for what decides about the guard itself."""
        result = Cluster(self._api)
        result.observe = self.observe
        return result

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def read(self, ref: Reference) -> Manifest | None:
        """The object, None when there is none."""
        try:
            answer: Manifest = await self._call("GET", ref.path, verb="get")
        except _NotFoundError:
            return None
        return answer

    async def list(
        self, kind: Kind, namespace: str, selector: str = "", metadata_only: bool = False, fields: str = ""
    ) -> list[Manifest]:
        """All objects of a kind in a namespace, or those whose labels and fields match; without their content if so
        wished."""
        pages = self.pages(kind, namespace, selector, metadata_only, fields)
        return [one async for page, _ in pages for one in page]

    async def pages(
        self, kind: Kind, namespace: str, selector: str = "", metadata_only: bool = False, fields: str = ""
    ) -> AsyncIterator[Page]:
        """The same, some hundreds at a time, each time with the version of the whole list.

        Raises GoneError when reading has taken so long that the list is not known any more.
        """
        query = {"limit": str(_PAGE)} | ({"labelSelector": selector} if selector else {})
        query |= {"fieldSelector": fields} if fields else {}
        accept = _METADATA.format(list="List") if metadata_only else "application/json"
        while True:
            answer = await self._call("GET", kind.path(namespace), query=query, accept=accept, verb="list")
            meta = answer["metadata"]
            yield list(answer["items"] or ()), meta["resourceVersion"]  # null when nothing was found without content
            if not meta.get("continue"):
                return
            query["continue"] = meta["continue"]

    async def watch(
        self, kind: Kind, namespace: str, version: str, selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Manifest]:
        """What happens after that version, for some minutes: watch events, bookmarks among them.

        Raises GoneError when the version is too old, ClusterError when the API server fails.
        """
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(_WATCH)} | ({"labelSelector": selector} if selector else {})
        accept = _METADATA.format(list="") if metadata_only else "application/json"
        path = kind.path(namespace)
        answer = await self._request("GET", path, query=query, accept=accept, verb="watch", stream=True)
        try:
            while line := await answer.content.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise _error(status.get("code", 0), f"watching {path}: {status.get('message')}")
                yield event
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, LookupError) as error:
            raise ClusterError(f"watching {path}: {type(error).__name__}") from None
        finally:
            answer.close()

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object. Raises ConflictError when it is there already: it is then left as it is."""
        ref = reference(manifest)
        query = {"fieldManager": FIELD_MANAGER}
        answer: Manifest = await self._call(
            "POST", ref.kind.path(ref.namespace), body=manifest, query=query, verb="create"
        )
        return answer

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply: the operator's fields become what the manifest says, others' fields stay theirs."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = reference(manifest).path
        answer: Manifest = await self._call("PATCH", path, body=manifest, query=query, content=_APPLY, verb="patch")
        return answer

    async def merge(self, ref: Reference, patch: Manifest, subresource: str = "") -> Manifest:
        """JSON merge patch. With metadata.resourceVersion in it, raises ConflictError if the object has changed."""
        path = f"{ref.path}/{subresource}" if subresource else ref.path
        query = {"fieldManager": FIELD_MANAGER}
        answer: Manifest = await self._call("PATCH", path, body=patch, query=query, content=_MERGE, verb="patch")
        return answer

    async def delete(self, ref: Reference, version: str = "") -> None:
        """Delete an object and what it owns; gone already is as good.

        version: raises ConflictError if it has another resourceVersion by now.
        """
        body: Manifest = {"propagationPolicy": "Background"}
        if version:
            body["preconditions"] = {"resourceVersion": version}
        try:
            await self._call("DELETE", ref.path, body=body, verb="delete")
        except _NotFoundError:
            return

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        if method != "GET":
            self.guard()
        answer = await self._request(method, path, **more)
        try:
            return json.loads(answer.data or b"{}")
        except ValueError:
            raise ClusterError(f"{method} {path}: the answer is not JSON") from None

    async def _request(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accept: str = "application/json",
        stream: bool = False,
    ) -> Any:
        headers = {"Accept": accept, "Content-Type": content}
        limits = aiohttp.ClientTimeout(sock_connect=_TIMEOUT[0], sock_read=_SILENCE) if stream else _TIMEOUT
        options: Any = {"headers": headers, "query_params": list((query or {}).items()), "_request_timeout": limits}
        try:
            await self._api.update_params_for_auth(headers, [], ["BearerToken"])
            url = f"{self._api.configuration.host}{path}"
            answer = await self._api.request(method, url, body=body, _preload_content=not stream, **options)
            if stream and answer.status != _OK:
                raise ApiException(status=answer.status, reason=answer.reason)
        except ApiException as error:
            self.observe(verb, error.status or 0)
            raise _named(error, method, path) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.observe(verb, 0)
            raise ClusterError(f"{method} {path}: no answer from the API server ({type(error).__name__})") from None
        self.observe(verb, answer.status)
        return answer


class _NotFoundError(ClusterError):
    pass


def _named(error: ApiException, method: str, path: str) -> ClusterError:
    try:
        message = json.loads(error.body or "")["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    return _error(error.status or 0, f"{method} {path}: {error.status} {message}")


def _error(status: int, text: str) -> ClusterError:
    kinds: dict[int, type[ClusterError]] = {_NOT_FOUND: _NotFoundError, _CONFLICT: ConflictError, _GONE: GoneError}
    return kinds.get(status, ClusterError)(text)
