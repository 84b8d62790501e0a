"""Execute pods on nodes that are to be emptied take no more jobs, so that a drain of the node comes to an end.

The eviction of an execute pod waits for its jobs (PodDisruptionBudget `execute`). A drain begins with the node being
cordoned: its pods are then told to leave, as any pod that should go, and do so as soon as their jobs have ended.
"""

from __future__ import annotations

import asyncio
import logging

from facility import names
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import NODE, POD, Manifest, Reference
from facility.site import Site

_LOG = logging.getLogger(__name__)
_PERIOD = 15.0  # seconds
_EXECUTE = f"{names.LABEL_COMPONENT}=execute,{names.LABEL_MANAGED_BY}={names.OPERATOR}"
_ENDED = ("Succeeded", "Failed")


class Cordon:
    """Marks execute pods on cordoned nodes."""

    def __init__(self, cluster: Cluster, site: Site) -> None:
        self._cluster, self._namespace = cluster, site.namespaces.batch

    async def run(self) -> None:
        """For ever. What fails is told once, and tried again."""
        trouble = ""
        while True:
            try:
                await self.once()
                trouble = ""
            except ClusterError as error:
                if str(error) != trouble:
                    _LOG.warning("cordoned nodes: %s", error)
                trouble = str(error)
            await asyncio.sleep(_PERIOD)

    async def once(self) -> None:
        """One round. Raises ClusterError."""
        for node in await self._cluster.list(NODE, "", metadata_only=True, fields="spec.unschedulable=true"):
            called = node["metadata"]["name"]
            for pod in await self._cluster.list(POD, self._namespace, _EXECUTE, fields=f"spec.nodeName={called}"):
                if _stays(pod):
                    await self._retire(pod["metadata"]["name"], f"node {called} is to be emptied")

    async def _retire(self, pod: str, reason: str) -> None:
        patch = {"metadata": {"annotations": {names.ANNOTATION_RETIRE: reason}}}
        await self._cluster.merge(Reference(POD, self._namespace, pod), patch)
        _LOG.info("execute pod %s: %s", pod, reason)


def _stays(pod: Manifest) -> bool:
    """Whether it still works and nobody has told it to leave."""
    told = (pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_RETIRE)
    return not told and (pod.get("status") or {}).get("phase") not in _ENDED
