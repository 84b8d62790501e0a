"""The facility's secrets: made once, never overwritten, never in values. Whoever deletes one gets a new one."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable, Mapping

from facility import names
from facility.condor import idtoken
from facility.operator.cluster import Cluster, ConflictError
from facility.operator.objects import SECRET, Manifest, Reference
from facility.operator.pki import Pair, authority
from facility.site import Site

_LOG = logging.getLogger(__name__)
AUTHORITY, HUB, BROKER, POOL = "facility-ca", "hub-secrets", "broker-key", "pool-key"


class Secrets:
    """Makes what is missing."""

    def __init__(self, cluster: Cluster, site: Site, now: Callable[[], float]) -> None:
        self._cluster = cluster
        self._spaces = site.namespaces
        self._now = now

    async def ensure(self) -> Pair:
        """Make the secrets that are missing and return the authority. Raises ClusterError."""
        await self._once(self._spaces.facility, HUB, _hub)
        await self._once(self._spaces.facility, BROKER, _broker)
        await self._once(self._spaces.batch, POOL, _pool)
        ca = await self._once(self._spaces.facility, AUTHORITY, self._authority, "kubernetes.io/tls")
        return Pair(ca["tls.crt"], ca["tls.key"])

    def _authority(self) -> dict[str, bytes]:
        pair = authority(self._now())
        return {"tls.crt": pair.certificate, "tls.key": pair.key}

    async def _once(
        self, namespace: str, name: str, make: Callable[[], dict[str, bytes]], kind: str = "Opaque"
    ) -> dict[str, bytes]:
        """The Secret's content, made now if there is none. If two make it at once, the first wins."""
        ref = Reference(SECRET, namespace, name)
        found = await self._cluster.read(ref)
        if found is None:
            try:
                found = await self._cluster.create(manifest(namespace, name, make(), kind))
                _LOG.info("made %s", ref)
            except ConflictError:
                found = await self._cluster.read(ref) or {}
        return content(found)


def manifest(namespace: str, name: str, data: Mapping[str, bytes], kind: str = "Opaque") -> Manifest:
    """A Secret. It lacks the label by which the operator removes what it has not built: it is to outlive all."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": names.OPERATOR}},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def content(secret: Manifest) -> dict[str, bytes]:
    """The content of a Secret."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def _hub() -> dict[str, bytes]:
    """Each 32 random bytes in hexadecimal, as JupyterHub and its proxy take them."""
    return {key: secrets.token_hex(32).encode() for key in ("proxy-token", "crypt-key", "cookie-secret")}


def _broker() -> dict[str, bytes]:
    """A Fernet key (32 random bytes, URL-safe base64)."""
    return {"current": base64.urlsafe_b64encode(secrets.token_bytes(32))}


def _pool() -> dict[str, bytes]:
    return {idtoken.KEY_NAME: idtoken.make_key()}
