"""Step 4: the only place that writes what was built, removes what is not built any more, and writes statuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from hashlib import blake2b

from facility.operator import entries
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.kinds import places
from facility.operator.mirrors import Mirrors
from facility.operator.objects import VIRTUAL_ORGANIZATION, Manifest, Reference, reference
from facility.site import Site

_LOG = logging.getLogger(__name__)
_FIXED = (
    "the size and the class of a volume are fixed once it exists: set them back in the VO, or delete this StatefulSet "
    "and its PersistentVolumeClaim, which are then made anew"
)


class Applier:
    """Remembers what it has applied, so that an object that is as it was left costs no request."""

    def __init__(self, cluster: Cluster, site: Site, mirrors: Mirrors) -> None:
        self._cluster, self._mirrors = cluster, mirrors
        self._space = site.namespaces.facility
        self._order = {place: number for number, place in enumerate(places(site))}
        self._applied: dict[Reference, tuple[bytes, bytes]] = {}

    async def apply(self, manifests: Iterable[Manifest]) -> list[Manifest]:
        """Write what is not as it should be; returns what was there and is another now. Raises ClusterError."""
        return [one for one in manifests if await self._write(one)]

    async def _write(self, manifest: Manifest) -> bool:
        ref, digest = reference(manifest), _digest(manifest)
        live = self._mirrors.built(ref)
        if live and self._applied.get(ref) == (digest, live.print):
            return False
        answer = await self._put(manifest)
        now = entries.built(answer)
        self._applied[ref] = (digest, now.print)
        self._mirrors.note(answer)
        changed = live is None or live.print != now.print
        if changed:
            _LOG.info("applied %s", ref)
        return changed and live is not None  # nobody has read what was not there

    async def _put(self, manifest: Manifest) -> Manifest:
        try:
            return await self._cluster.apply(manifest)
        except ClusterError as error:
            if "updates to statefulset spec" not in str(error):
                raise
            raise ClusterError(f"{reference(manifest)}: {_FIXED}") from None

    async def prune(self, found: Collection[Reference]) -> None:
        """Delete what is not built any more, as far as it is not going already. Raises ClusterError."""
        for ref in sorted(found, key=lambda one: (self._order[one.kind, one.namespace], one.name)):
            live = self._mirrors.built(ref)
            if live and not live.going:
                _LOG.info("removing %s: nothing asks for it any more", ref)
                await self._cluster.delete(ref)
            self._applied.pop(ref, None)

    async def status(self, name: str, status: Manifest) -> None:
        """Replace the status of a VirtualOrganization. Raises ClusterError."""
        ref = Reference(VIRTUAL_ORGANIZATION, self._space, name)
        self._mirrors.note(await self._cluster.merge(ref, {"status": status}, "status"))


def _digest(manifest: Manifest) -> bytes:
    return blake2b(json.dumps(manifest, sort_keys=True).encode(), digest_size=12).digest()
