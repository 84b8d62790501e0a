"""The operator's view of the batch namespace: execute pods, and which access points are there to be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from facility import names
from facility.operator import entries
from facility.operator.cluster import Cluster
from facility.operator.entries import Pod
from facility.operator.mirror import Mirror, Watched
from facility.operator.objects import POD
from facility.site import Site


class BatchPods:
    """Mirrors of both kinds of pods. `restarted`: is told when a watch has broken."""

    def __init__(self, cluster: Cluster, site: Site, restarted: Callable[[], None] = lambda: None) -> None:
        def mirror(component: str) -> Mirror[Pod]:
            selector = f"{names.LABEL_COMPONENT}={component},{names.LABEL_MANAGED_BY}={names.OPERATOR}"
            watched = Watched(POD, site.namespaces.batch, selector)
            return Mirror(cluster, watched, entries.pod, restarted=restarted)

        self.execute, self._access_points = mirror("execute"), mirror("access-point")

    async def refresh(self) -> None:
        """List all of them. Raises ClusterError."""
        await self.execute.refresh()
        await self._access_points.refresh()

    async def run(self) -> None:
        """Follow them for ever. `refresh` has been called once before."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.execute.run())
            group.create_task(self._access_points.run())

    def answering(self) -> set[str]:
        """The VOs whose access points run: asking others would only be waiting."""
        return {pod.vo for pod in self._access_points.values() if pod.phase == "Running"}
