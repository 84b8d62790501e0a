"""Numbers for the people who wait for one."""

from __future__ import annotations

from facility.operator.cluster import Cluster
from facility.operator.mirrors import Mirrors
from facility.operator.objects import Manifest
from facility.operator.users import FIRST, allocate
from facility.site import Site

_MOST = 50  # people at a time: the others' turn comes at once after
_SOON = 0.5  # seconds


class Numbers:
    """Gives uids to FacilityUsers that have none, the oldest first."""

    def __init__(self, cluster: Cluster, site: Site, mirrors: Mirrors) -> None:
        self._cluster, self._space, self._mirrors = cluster, site.namespaces.facility, mirrors

    async def give(self) -> float | None:
        """Give some. Returns seconds after which to go on, None if nobody waits any more. Raises ClusterError."""
        users = self._mirrors.users
        waiting = sorted((one.created, name) for name, one in users.items() if one.vo and one.uid is None)
        if not waiting:
            return None
        highest = max((one.uid for one in users.values() if one.uid is not None), default=FIRST - 1)
        manifests = [self._manifest(name) for _, name in waiting[:_MOST]]
        for answer in await allocate(self._cluster, self._space, manifests, highest):
            if answer["spec"].get("uid") is not None:
                users.note(answer)
        return _SOON if any(users[name].uid is None for _, name in waiting if name in users) else None

    def _manifest(self, name: str) -> Manifest:
        manifest = self._mirrors.users[name].manifest(name)
        manifest["metadata"]["resourceVersion"] = self._mirrors.users.version(name)
        return manifest
