"""How people's jobs fare, in their FacilityUser's status: written when it has changed, and not too often."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from pydantic import ValidationError

from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import FACILITY_USER, Reference
from facility.site import Site
from facility.users import BatchStatus, FacilityUser

_LOG = logging.getLogger(__name__)
_EVERY = 10.0  # seconds between two writes about one person
_MOST = 20  # writes of one round: the others' turn comes with the next
_NONE = BatchStatus()


class BatchStatuses:
    """Writes `status.batch`. What stood there before this operator began is read once."""

    def __init__(self, cluster: Cluster, site: Site) -> None:
        self._cluster, self._space = cluster, site.namespaces.facility
        self._told: dict[str, BatchStatus] | None = None
        self._when: dict[str, float] = {}

    async def tell(self, people: Mapping[str, BatchStatus], vos: Collection[str], now: float) -> None:
        """Write what has changed of these people, by object name, and that others of these VOs have nothing.

        Raises ClusterError when it cannot be read what stands there.
        """
        if self._told is None:
            self._told = await self._read()
        due = [
            (self._when.get(name, 0.0), name)
            for name in {*people, *self._told}
            if people.get(name, _NONE) != self._told.get(name, _NONE)
            and now - self._when.get(name, float("-inf")) >= _EVERY
            and name.partition("-")[0] in vos
        ]
        for _, name in sorted(due)[:_MOST]:
            await self._write(name, people.get(name, _NONE), now)

    async def _write(self, name: str, status: BatchStatus, now: float) -> None:
        assert self._told is not None
        self._when[name] = now
        patch = {"status": {"batch": status.model_dump(by_alias=True)}}
        try:
            await self._cluster.merge(Reference(FACILITY_USER, self._space, name), patch, subresource="status")
        except ClusterError as error:
            _LOG.info("how the jobs of %s fare is not written: %s", name, error)
            if status != _NONE:
                return
        self._told.pop(name, None)
        if status != _NONE:
            self._told[name] = status

    async def _read(self) -> dict[str, BatchStatus]:
        found: dict[str, BatchStatus] = {}
        for manifest in await self._cluster.list(FACILITY_USER, self._space):
            try:
                status = FacilityUser.parse(manifest).status.batch
            except ValidationError:
                continue
            if status != _NONE:
                found[manifest["metadata"]["name"]] = status
        return found
