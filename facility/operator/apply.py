"""Step 4: the only place that writes what was built, removes what is not built any more, and writes statuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from hashlib import sha256

from facility import names
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import (
    CONFIG_MAP,
    NETWORK_POLICY,
    RESOURCE_QUOTA,
    ROLE,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    VIRTUAL_ORGANIZATION,
    Kind,
    Manifest,
    Reference,
    labels,
    reference,
)
from facility.site import Site

_LOG = logging.getLogger(__name__)
#: dependents last: a network policy goes only after what it guarded
_PRUNED = (STATEFUL_SET, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, ROLE, RESOURCE_QUOTA, NETWORK_POLICY)
_FIXED = (
    "the size and the class of a volume are fixed once it exists: set them back in the VO, or delete this StatefulSet "
    "and its PersistentVolumeClaim, which are then made anew"
)
_IN_USERS = (CONFIG_MAP, RESOURCE_QUOTA, NETWORK_POLICY)


class Applier:
    """Remembers what it has applied, so that an object that is as it was left costs no request."""

    def __init__(self, cluster: Cluster, site: Site) -> None:
        self._cluster = cluster
        self._site = site
        self._applied: dict[Reference, tuple[str, str]] = {}

    async def present(self) -> dict[Reference, Manifest]:
        """All that carries the operator's label, without content (metadata only)."""
        spaces = self._site.namespaces
        wanted = [(kind, space) for space in dict.fromkeys((spaces.facility, spaces.batch)) for kind in _PRUNED]
        wanted += [(kind, spaces.users) for kind in _IN_USERS if (kind, spaces.users) not in wanted]
        found: dict[Reference, Manifest] = {}
        for kind, namespace in wanted:
            found |= await self._labelled(kind, namespace)
        return found

    async def _labelled(self, kind: Kind, namespace: str) -> dict[Reference, Manifest]:
        selector = f"{names.LABEL_MANAGED_BY}={names.OPERATOR}"
        listed = await self._cluster.list(kind, namespace, selector, metadata_only=True)
        return {Reference(kind, namespace, one["metadata"]["name"]): one for one in listed}

    async def apply(self, manifests: Iterable[Manifest], present: dict[Reference, Manifest]) -> list[Reference]:
        """Write what is not as it should be, and say which that was."""
        return [reference(one) for one in manifests if await self._write(one, present)]

    async def _write(self, manifest: Manifest, present: dict[Reference, Manifest]) -> bool:
        ref, digest = reference(manifest), _digest(manifest)
        live = present.get(ref)
        if live and self._applied.get(ref) == (digest, live["metadata"]["resourceVersion"]):
            return False
        answer = await self._put(manifest)
        version = answer["metadata"]["resourceVersion"]
        self._applied[ref] = (digest, version)
        changed = live is None or live["metadata"]["resourceVersion"] != version
        if changed:
            _LOG.info("applied %s", ref)
        return changed

    async def _put(self, manifest: Manifest) -> Manifest:
        try:
            return await self._cluster.apply(manifest)
        except ClusterError as error:
            if "updates to statefulset spec" not in str(error):
                raise
            raise ClusterError(f"{reference(manifest)}: {_FIXED}") from None

    async def prune(
        self, built: Collection[Reference], kept: Collection[str], present: dict[Reference, Manifest]
    ) -> None:
        """Delete what carries the label and is not built any more, except what belongs to the `kept` VOs."""
        for ref, live in present.items():
            if ref not in built and labels(live).get(names.LABEL_VO) not in kept:
                _LOG.info("removing %s: nothing asks for it any more", ref)
                await self._cluster.delete(ref)
                self._applied.pop(ref, None)

    async def status(self, name: str, status: Manifest) -> None:
        """Replace the status of a VirtualOrganization."""
        ref = Reference(VIRTUAL_ORGANIZATION, self._site.namespaces.facility, name)
        await self._cluster.merge(ref, {"status": status}, "status")


def _digest(manifest: Manifest) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
