"""Makes an execute pod: a token that is its owner's, the Secret with it, the pod that mounts it, all of one life."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from facility import names
from facility.condor import idtoken
from facility.condor.amounts import Shape
from facility.operator.build.execute_pod import execute_pod
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import POD, SECRET, Reference
from facility.operator.pods import BatchPods
from facility.operator.secrets import POOL, content
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization

_LOG = logging.getLogger(__name__)
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Maker:
    """Of execute pods."""

    def __init__(self, cluster: Cluster, site: Site, now: Callable[[], float], pods: BatchPods) -> None:
        self._cluster, self._site, self._now, self._pods = cluster, site, now, pods

    async def make(self, vo: VirtualOrganization, user: FacilityUser, shape: Shape) -> None:
        """The Secret, then the pod, then the pod as the Secret's owner: they go together. Raises ClusterError."""
        tail = "".join(secrets.choice(_LETTERS) for _ in range(5))
        name = f"ep-{user.hub_user}-{tail}"
        secret, pod = execute_pod(vo, user, self._site, name, await self._token(user), shape)
        namespace = self._site.namespaces.batch
        await self._cluster.create(secret)
        ref = Reference(SECRET, namespace, secret["metadata"]["name"])
        try:
            made = await self._cluster.create(pod)
            owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": made["metadata"]["uid"]}
            await self._cluster.merge(ref, {"metadata": {"ownerReferences": [owner]}})
            self._pods.execute.note(made, own=True)  # counted from now on, whenever the watch tells of it
        except ClusterError:
            # both: a pod without its Secret would wait for it for ever, and count as its owner's
            await self._cluster.delete(Reference(POD, namespace, name))
            await self._cluster.delete(ref)
            raise
        _LOG.info("execute pod %s for %s: %d cores", name, user.owner, shape.cpus)

    async def renew(self, name: str, user: FacilityUser) -> None:
        """Another token for a pod that has not started. Raises ClusterError."""
        secret = Reference(SECRET, self._site.namespaces.batch, name)
        await self._cluster.merge(secret, {"stringData": {"token": await self._token(user)}})

    async def key(self) -> bytes:
        """The pool's. Raises ClusterError."""
        pool = await self._cluster.read(Reference(SECRET, self._site.namespaces.batch, POOL))
        if pool is None:
            raise ClusterError(f"Secret {POOL} is missing; it is made again within seconds")
        return content(pool)[idtoken.KEY_NAME]

    async def _token(self, user: FacilityUser) -> str:
        identity = f"{user.owner}@{names.TRUST_DOMAIN}"
        scopes, now = idtoken.EXECUTE_SCOPES, self._now()
        return idtoken.mint(await self.key(), identity, scopes, now, idtoken.EXECUTE_LIFE)
