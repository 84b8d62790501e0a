"""Leases (coordination.k8s.io/v1) as brokers use them: one for each replica, renewed all the time, and one for each
shard, written only when the shard changes hands.

A replica's Lease has the name of its pod and says where it is reached. Its `holderIdentity` is the pod's name and some
digits that are drawn anew whenever the process begins, or finds that others had to take it for gone: an identity that
is over never comes back. A shard's Lease names the identity that holds it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from facility import names
from facility.broker.shards import SHARDS
from facility.kubernetes import Json, Kubernetes

COMPONENT = f"{names.API_GROUP}/component"
ADDRESS = f"{names.API_GROUP}/address"
#: not empty on the Lease of a replica that is about to end
ENDING = f"{names.API_GROUP}/leaving"
_SHARD = "broker-shard-"


@dataclass(frozen=True)
class Terms:
    """Seconds: `period` between two renewals; `deadline` after the last one a replica stops; `life` after it others
    may take it for gone.

    `deadline` is so far above `period` that a refresh token is never used by a replica whose time might end before the
    issuer's answer is stored, and so far below `life` that clocks may run at somewhat different speeds.
    """

    period: float = 2.0
    deadline: float = 15.0
    life: float = 18.0


@dataclass(frozen=True)
class Me:
    """This replica: its pod, where others reach it (`host:port`), and the pod's uid ("": the Lease stays behind)."""

    pod: str
    address: str
    uid: str = ""


@dataclass(frozen=True)
class Lease:
    """What is read of a Lease."""

    name: str
    holder: str
    version: str
    address: str = ""
    leaving: bool = False

    @property
    def shard(self) -> int | None:
        """The shard that this is the Lease of, None for a replica's."""
        number = self.name.removeprefix(_SHARD)
        return int(number) if number != self.name and number.isdecimal() and int(number) < SHARDS else None


class Leases:
    """Reads and writes them. Everything raises ApiError; 404 and 409: it is not as it was."""

    def __init__(self, kubernetes: Kubernetes, namespace: str, terms: Terms, me: Me) -> None:
        self._kubernetes = kubernetes
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._seconds = math.ceil(terms.life)
        self._me = me

    async def all(self) -> list[Lease]:
        """All Leases of brokers and shards."""
        found = await self._kubernetes.get(self._path, [("labelSelector", f"{COMPONENT}=lease")])
        return [_read(item) for item in found.get("items") or []]

    async def mine(self) -> Lease | None:
        """This replica's own, as an earlier process of the pod may have left it."""
        return next((lease for lease in await self.all() if lease.name == self._me.pod), None)

    async def join(self, identity: str, before: Lease | None) -> Lease:
        """This replica's own Lease, under a new identity."""
        return await self._write(self._me.pod, identity, before, {ADDRESS: self._me.address, ENDING: ""}, self._me.uid)

    async def renew(self, mine: Lease) -> Lease:
        """Once more for `life` seconds."""
        body: Json = {"metadata": {"resourceVersion": mine.version}, "spec": {"renewTime": _moment()}}
        return _read(await self._kubernetes.patch(f"{self._path}/{mine.name}", body))

    async def leaving(self, mine: Lease) -> Lease:
        """This replica's own, from now on one that nothing is given to."""
        body: Json = {"metadata": {"resourceVersion": mine.version, "annotations": {ENDING: "true"}}}
        return _read(await self._kubernetes.patch(f"{self._path}/{mine.name}", body))

    async def void(self, lease: Lease) -> Lease:
        """Nobody's any more, unless it has changed meanwhile."""
        body: Json = {"metadata": {"resourceVersion": lease.version}, "spec": {"holderIdentity": None}}
        return _read(await self._kubernetes.patch(f"{self._path}/{lease.name}", body))

    async def take(self, shard: int, identity: str, before: Lease | None) -> Lease:
        """The shard's Lease, `identity`'s from now on, unless it has changed since `before`."""
        return await self._write(f"{_SHARD}{shard:02}", identity, before)

    async def _write(
        self, name: str, identity: str, before: Lease | None, notes: dict[str, str] | None = None, uid: str = ""
    ) -> Lease:
        now = _moment()
        spec: Json = {"holderIdentity": identity, "leaseDurationSeconds": self._seconds}
        meta: Json = {"name": name, "labels": {COMPONENT: "lease"}, "annotations": notes or {}}
        if uid:
            meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}]
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta,
            "spec": {**spec, "acquireTime": now, "renewTime": now},
        }
        if before is None:
            return _read(await self._kubernetes.post(self._path, body))
        meta["resourceVersion"] = before.version
        return _read(await self._kubernetes.patch(f"{self._path}/{name}", body))


def _read(item: Json) -> Lease:
    meta, spec = item["metadata"], item.get("spec") or {}
    notes = meta.get("annotations") or {}
    holder, leaving = spec.get("holderIdentity") or "", bool(notes.get(ENDING))
    return Lease(meta["name"], holder, meta["resourceVersion"], notes.get(ADDRESS, ""), leaving)


def _moment() -> str:
    """Now, as people read it; nobody decides anything by it."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
