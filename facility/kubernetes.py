"""The API server as broker and hub need it: JSON in, JSON out, with time limits, and errors that quote no body.

kubernetes_asyncio brings the connection and the ServiceAccount's rotating token. Its own exceptions carry the body
and the headers of the answer, and without limits it waits for ever; so for broker and hub it is used here only. (The
operator tells people what the API server has against their objects, and so keeps a client of its own.)
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.config import load_incluster_config

logging.getLogger("kubernetes_asyncio.client.rest").setLevel(logging.INFO)  # below that it prints bodies
Json = dict[str, Any]
CONNECT, READ = 5, 15  # seconds
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refused or was not reached; `status` is HTTP's, 0 when there was no answer."""

    def __init__(self, method: str, path: str, status: int) -> None:
        super().__init__(f"{method} {path}: {status or 'no answer'}")
        self.status = status


class Kubernetes:
    """One connection pool to the API server. Paths are absolute, such as /api/v1/namespaces/x/pods/y."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    def in_cluster(cls, account: Path = SERVICE_ACCOUNT) -> Kubernetes:
        """With the pod's own ServiceAccount. Raises kubernetes_asyncio's ConfigException outside a pod."""
        configuration = Configuration()
        files = {"token_filename": str(account / "token"), "cert_filename": str(account / "ca.crt")}
        load_incluster_config(client_configuration=configuration, **files)  # type: ignore[no-untyped-call]
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def get(self, path: str, query: list[tuple[str, str]] | None = None) -> Json:
        """The object at `path`, or the list that `query` selects. Raises ApiError."""
        return await self._json("GET", path, query=query)

    async def post(self, path: str, body: Json) -> Json:
        """Creates an object in the collection at `path`. Raises ApiError (409: it exists)."""
        return await self._json("POST", path, body)

    async def patch(self, path: str, body: Json) -> Json:
        """Merges `body` into the object at `path` (RFC 7386). Raises ApiError (409: its version is another)."""
        return await self._json("PATCH", path, body, MERGE_PATCH)

    async def delete(self, path: str, query: list[tuple[str, str]] | None = None) -> None:
        """Deletes the object at `path`, or what `query` selects of a collection; what is not there is no error.

        Raises:
            ApiError
        """
        try:
            await self._json("DELETE", path, query=query)
        except ApiError as error:
            if error.status != 404:
                raise

    async def watch(self, path: str, version: str, seconds: int) -> AsyncIterator[Json]:
        """Watch events after `version`, ending after `seconds`. Raises ApiError."""
        query = [("watch", "true"), ("resourceVersion", version), ("timeoutSeconds", str(seconds))]
        limits = aiohttp.ClientTimeout(total=seconds + READ, sock_connect=CONNECT)
        answer = await self._call("GET", path, query=query, stream=True, limits=limits)
        try:
            if answer.status != 200:
                raise ApiError("GET", path, answer.status)
            while line := await answer.content.readline():
                yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise ApiError("GET", path, 0) from None
        finally:
            answer.close()

    async def _json(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        kind: str = "application/json",
        query: list[tuple[str, str]] | None = None,
    ) -> Json:
        limits = aiohttp.ClientTimeout(total=READ, sock_connect=CONNECT)
        answer = await self._call(method, path, body=body, kind=kind, query=query, limits=limits)
        try:
            value = json.loads(answer.data)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ApiError(method, path, 0)
        return value

    async def _call(
        self,
        method: str,
        path: str,
        *,
        limits: aiohttp.ClientTimeout,
        body: Json | None = None,
        kind: str = "application/json",
        query: list[tuple[str, str]] | None = None,
        stream: bool = False,
    ) -> Any:
        headers = {"Accept": "application/json", "Content-Type": kind}
        try:
            await self._client.update_params_for_auth(headers, query or [], ["BearerToken"])
            url = f"{self._client.configuration.host}{path}"
            return await self._client.request(
                method,
                url,
                query_params=query,
                headers=headers,
                body=body,
                _preload_content=not stream,
                _request_timeout=limits,
            )
        except ApiException as error:
            raise ApiError(method, path, error.status or 0) from None
        except (TimeoutError, aiohttp.ClientError, OSError):
            raise ApiError(method, path, 0) from None
