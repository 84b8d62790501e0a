"""Lets running pods see their new configuration at once: a node fetches a touched pod's ConfigMaps right away.

Untouched, it does so within a minute or so (Kubernetes documentation, "Mounted ConfigMaps are updated automatically").
The node hears of pods and of ConfigMaps by different watches, and may know of the touch before it knows of the change.
So pods are touched a second time, when it knows both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from facility import names
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import CONFIG_MAP, POD, Manifest, Reference, labels, reference

_LOG = logging.getLogger(__name__)
#: parts whose pods read a ConfigMap again while they run
_READERS = ("access-point", "cm", "xcache")
ANNOTATION = f"{names.API_GROUP}/touched"
#: seconds between the two touches
LATER = 3.0


class Wake:
    """Touches pods; `now` in seconds since the epoch."""

    def __init__(self, cluster: Cluster, now: Callable[[], float]) -> None:
        self._cluster, self._now = cluster, now
        self._again: dict[tuple[str, str], float] = {}

    async def of(self, changed: Iterable[Manifest]) -> None:
        """Touch the pods that read the ConfigMaps among what has changed. What fails is told, and mends itself."""
        for manifest in changed:
            found = labels(manifest)
            if reference(manifest).kind == CONFIG_MAP and found.get(names.LABEL_COMPONENT) in _READERS:
                wanted = [f"{key}={found[key]}" for key in (names.LABEL_COMPONENT, names.LABEL_VO) if key in found]
                readers = (manifest["metadata"]["namespace"], ",".join(wanted))
                self._again[readers] = self._now() + LATER
                await self._touch(*readers)

    async def again(self) -> None:
        """Touch once more those whose time has come."""
        for readers in [one for one, due in self._again.items() if due <= self._now()]:
            del self._again[readers]
            await self._touch(*readers)

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(1)
            await self.again()

    async def _touch(self, namespace: str, selector: str) -> None:
        try:
            await touch(self._cluster, namespace, selector, self._now())
        except ClusterError as error:
            _LOG.info("pods of %s in %s read their news a little later: %s", selector, namespace, error)


async def touch(cluster: Cluster, namespace: str, selector: str, now: float) -> None:
    """Touch the pods that a label selector chooses. Raises ClusterError."""
    patch = {"metadata": {"annotations": {ANNOTATION: f"{now:.3f}"}}}
    for pod in await cluster.list(POD, namespace, selector, metadata_only=True):
        await cluster.merge(Reference(POD, namespace, pod["metadata"]["name"]), patch)
