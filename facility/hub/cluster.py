"""What the hub reads from the API server: the VO objects, and the client Secret that a VO names."""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from facility import names
from facility.kubernetes import SERVICE_ACCOUNT, ApiError, Json, Kubernetes
from facility.watching import Mirror

_PLURAL = "virtualorganizations"


class MissingSecretError(Exception):
    """A VO's client Secret cannot be used; the text says why and never what is in it."""


@dataclass(frozen=True)
class ClientCredentials:
    """This facility's client at a VO's issuer."""

    client_id: str
    client_secret: str = field(repr=False)


class Cluster:
    """The API server, as the hub's own ServiceAccount sees the facility's namespace."""

    def __init__(self, kubernetes: Kubernetes, namespace: str) -> None:
        self._kubernetes = kubernetes
        self._namespace = namespace

    @classmethod
    def connect(cls, namespace: str, account: Path = SERVICE_ACCOUNT) -> Self:
        """With the pod's ServiceAccount. The token is read again as it rotates. Needs a running event loop."""
        return cls(Kubernetes.in_cluster(account), namespace)

    async def close(self) -> None:
        """Close the connections."""
        await self._kubernetes.close()

    def virtual_organizations(
        self, changed: Callable[[Json], None], removed: Callable[[str], None], log: logging.Logger
    ) -> Mirror:
        """Tells of each VO object that is new or different, and of each that has gone, while it runs."""
        path = f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{self._namespace}/{_PLURAL}"
        return Mirror(self._kubernetes, path, changed, removed, logger=log)

    async def client_credentials(self, secret: str) -> ClientCredentials:
        """The client in a Secret. Raises MissingSecretError."""
        try:
            found = await self._kubernetes.get(f"/api/v1/namespaces/{self._namespace}/secrets/{secret}")
        except ApiError as error:
            raise MissingSecretError(f"Secret {secret} cannot be read ({error.status or 'no answer'})") from None
        data = found.get("data") or {}
        return ClientCredentials(_value(secret, data, "client_id"), _value(secret, data, "client_secret"))


def _value(secret: str, data: dict[str, str], key: str) -> str:
    try:
        value = b64decode(data[key]).decode().strip()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        value = ""
    if not value:
        raise MissingSecretError(f"Secret {secret} has no usable key {key}")
    return value
