"""The only module of the operator that talks to the API server: verbs on plain dictionaries, each limited in time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from facility.operator.objects import Kind, Manifest, Reference, reference

FIELD_MANAGER = "facility-operator"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte: the client's own default is to wait for ever
_NOT_FOUND, _CONFLICT = 404, 409


class ClusterError(Exception):
    """The API server refused or did not answer; the text is its message, never a request's body."""


class ConflictError(ClusterError):
    """The object has changed since it was read, or exists already."""


class Cluster:
    """A connection to the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls) -> Self:
        """With the pod's ServiceAccount, or with the kubeconfig of whoever runs the operator outside a cluster."""
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await config.load_kube_config(client_configuration=settings)
        return cls(client.ApiClient(settings))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def read(self, ref: Reference) -> Manifest | None:
        """The object, None when there is none."""
        try:
            answer: Manifest = await self._call("GET", ref.path)
        except _NotFoundError:
            return None
        return answer

    async def list(self, kind: Kind, namespace: str, selector: str = "", metadata_only: bool = False) -> list[Manifest]:
        """All objects of a kind in a namespace, or those whose labels match; without their content if so wished."""
        query = {"labelSelector": selector} if selector else {}
        accept = _METADATA if metadata_only else "application/json"
        answer = await self._call("GET", kind.path(namespace), query=query, accept=accept)
        return list(answer["items"] or ())  # null, not an empty list, when nothing was found without content

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object. Raises ConflictError when it is there already: it is then left as it is."""
        ref = reference(manifest)
        query = {"fieldManager": FIELD_MANAGER}
        answer: Manifest = await self._call("POST", ref.kind.path(ref.namespace), body=manifest, query=query)
        return answer

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply: the operator's fields become what the manifest says, others' fields stay theirs."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = reference(manifest).path
        answer: Manifest = await self._call("PATCH", path, body=manifest, query=query, content=_APPLY)
        return answer

    async def merge(self, ref: Reference, patch: Manifest, subresource: str = "") -> Manifest:
        """JSON merge patch. With metadata.resourceVersion in it, raises ConflictError if the object has changed."""
        path = f"{ref.path}/{subresource}" if subresource else ref.path
        query = {"fieldManager": FIELD_MANAGER}
        answer: Manifest = await self._call("PATCH", path, body=patch, query=query, content=_MERGE)
        return answer

    async def delete(self, ref: Reference) -> None:
        """Delete an object and what it owns; gone already is as good."""
        try:
            await self._call("DELETE", ref.path, body={"propagationPolicy": "Background"})
        except _NotFoundError:
            return

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        headers = {"Accept": accept, "Content-Type": content}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        url = f"{self._api.configuration.host}{path}"
        options: Any = {"headers": headers, "query_params": list((query or {}).items()), "_request_timeout": _TIMEOUT}
        try:
            answer = await self._api.request(method, url, body=body, **options)
            return json.loads(answer.data or b"{}")
        except ApiException as error:
            raise _named(error, method, path) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"{method} {path}: no answer from the API server ({type(error).__name__})") from None


class _NotFoundError(ClusterError):
    pass


def _named(error: ApiException, method: str, path: str) -> ClusterError:
    try:
        message = json.loads(error.body or "")["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    kind = {_NOT_FOUND: _NotFoundError, _CONFLICT: ConflictError}.get(error.status, ClusterError)
    return kind(f"{method} {path}: {error.status} {message}")
