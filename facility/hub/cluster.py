"""What the hub reads from the API server: the VO objects, and the client Secret that a VO names."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.exceptions import ApiException

from facility import names

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PLURAL = "virtualorganizations"
#: seconds after which a watch ends and the list is read again; a half-open connection is noticed soon after
WATCH_SECONDS = 240
_CONNECT = 5


class MissingSecretError(Exception):
    """A VO's client Secret cannot be used; the text says why and never what is in it."""


@dataclass(frozen=True)
class ClientCredentials:
    """This facility's client at a VO's issuer."""

    client_id: str
    client_secret: str = field(repr=False)


class Cluster:
    """The API server, as the hub's own ServiceAccount sees the facility's namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    @classmethod
    def connect(cls, namespace: str, account: Path = SERVICE_ACCOUNT) -> Self:
        """With the pod's ServiceAccount. The token is read again as it rotates. Needs a running event loop."""
        settings = client.Configuration()
        files = {"token_filename": str(account / "token"), "cert_filename": str(account / "ca.crt")}
        config.load_incluster_config(client_configuration=settings, **files)  # type: ignore[no-untyped-call]
        return cls(client.ApiClient(settings), namespace)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def virtual_organizations(self) -> tuple[list[dict[str, Any]], str]:
        """All VO objects as they are, and the resource version from which to watch."""
        listed = await self._objects(_request_timeout=(_CONNECT, 30))
        return listed["items"], listed["metadata"]["resourceVersion"]

    async def changes(self, version: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Changes after a resource version as (`ADDED`, `MODIFIED`, `DELETED`; object), for WATCH_SECONDS at most.

        Without both time-outs the client would reconnect by itself for ever, or hang on a dead connection.
        """
        limits = {"timeout_seconds": WATCH_SECONDS, "_request_timeout": (_CONNECT, WATCH_SECONDS + 10)}
        async with watch.Watch() as stream:
            async for event in stream.stream(self._objects, resource_version=version, **limits):
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]

    async def client_credentials(self, secret: str) -> ClientCredentials:
        """The client in a Secret. Raises MissingSecretError."""
        try:
            found = await client.CoreV1Api(self._api).read_namespaced_secret(
                secret, self._namespace, _request_timeout=(_CONNECT, 10)
            )
        except ApiException as error:
            raise MissingSecretError(f"Secret {secret} cannot be read ({error.status} {error.reason})") from None
        except (OSError, TimeoutError) as error:
            raise MissingSecretError(f"Secret {secret} cannot be read ({type(error).__name__})") from None
        data = found.data or {}
        return ClientCredentials(_value(secret, data, "client_id"), _value(secret, data, "client_secret"))

    async def _objects(self, **options: Any) -> Any:
        api = client.CustomObjectsApi(self._api)
        return await api.list_namespaced_custom_object(
            names.API_GROUP, names.API_VERSION, self._namespace, _PLURAL, **options
        )


def _value(secret: str, data: dict[str, str], key: str) -> str:
    try:
        value = b64decode(data[key]).decode().strip()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        value = ""
    if not value:
        raise MissingSecretError(f"Secret {secret} has no usable key {key}")
    return value
