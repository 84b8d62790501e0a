"""The facility's secrets: made once, never overwritten, never in values. Whoever deletes one gets a new one."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable, Mapping

from facility import names
from facility.condor import idtoken
from facility.operator.cluster import Cluster, ClusterError, ConflictError
from facility.operator.objects import SECRET, Manifest, Reference
from facility.operator.pki import Pair, authority
from facility.site import Site

_LOG = logging.getLogger(__name__)
AUTHORITY, HUB, BROKER, POOL = "facility-ca", "hub-secrets", "broker-key", "pool-key"
OWN = (AUTHORITY, HUB, BROKER, POOL)


class Secrets:
    """Makes what is missing. `known`: the version of a Secret that there is, None when there is none."""

    def __init__(
        self, cluster: Cluster, site: Site, now: Callable[[], float], known: Callable[[Reference], str | None]
    ) -> None:
        self._cluster = cluster
        self._spaces = site.namespaces
        self._now = now
        self._known = known
        self._pair: tuple[str, Pair] | None = None

    async def ensure(self) -> Pair:
        """Make the secrets that are missing and return the authority. Raises ClusterError."""
        for space, name, make in (
            (self._spaces.facility, HUB, _hub),
            (self._spaces.facility, BROKER, _broker),
            (self._spaces.batch, POOL, _pool),
        ):
            if self._known(Reference(SECRET, space, name)) is None:
                await self._once(space, name, make)
        return await self.authority()

    async def authority(self) -> Pair:
        """The authority, read again only when it has changed. Raises ClusterError."""
        version = self._known(Reference(SECRET, self._spaces.facility, AUTHORITY))
        if self._pair is None or version != self._pair[0]:
            found = await self._once(self._spaces.facility, AUTHORITY, self._authority, "kubernetes.io/tls")
            data = content(found)
            self._pair = found["metadata"]["resourceVersion"], Pair(data["tls.crt"], data["tls.key"])
        return self._pair[1]

    def _authority(self) -> dict[str, bytes]:
        pair = authority(self._now())
        return {"tls.crt": pair.certificate, "tls.key": pair.key}

    async def _once(
        self, namespace: str, name: str, make: Callable[[], dict[str, bytes]], kind: str = "Opaque"
    ) -> Manifest:
        """The Secret, made now if there is none. If two make it at once, the first wins."""
        ref = Reference(SECRET, namespace, name)
        found = await self._cluster.read(ref)
        if found is None:
            try:
                found = await self._cluster.create(manifest(namespace, name, make(), kind))
                _LOG.info("made %s", ref)
            except ConflictError:
                found = await self._cluster.read(ref)
        if found is None:
            raise ClusterError(f"{ref} was there for a moment only")
        return found


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
