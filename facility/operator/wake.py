"""Lets running pods see their new configuration at once: a node fetches a touched pod's ConfigMaps right away.

Untouched, it does so within a minute or so (Kubernetes documentation, "Mounted ConfigMaps are updated automatically").
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from facility import names
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import CONFIG_MAP, POD, Manifest, Reference, labels, reference

_LOG = logging.getLogger(__name__)
#: parts whose pods read a ConfigMap again while they run
_READERS = ("access-point", "cm")
ANNOTATION = f"{names.API_GROUP}/touched"


async def wake(cluster: Cluster, changed: Iterable[Manifest], now: float) -> None:
    """Touch the pods that read the ConfigMaps among what has changed. What fails is told, and mends itself."""
    for manifest in changed:
        found = labels(manifest)
        if reference(manifest).kind == CONFIG_MAP and found.get(names.LABEL_COMPONENT) in _READERS:
            wanted = {key: found[key] for key in (names.LABEL_COMPONENT, names.LABEL_VO) if key in found}
            try:
                await _touch(cluster, manifest["metadata"]["namespace"], wanted, now)
            except ClusterError as error:
                _LOG.info("pods of %s read their news a little later: %s", reference(manifest), error)


async def _touch(cluster: Cluster, namespace: str, wanted: dict[str, str], now: float) -> None:
    selector = ",".join(f"{key}={value}" for key, value in wanted.items())
    patch = {"metadata": {"annotations": {ANNOTATION: f"{now:.3f}"}}}
    for pod in await cluster.list(POD, namespace, selector, metadata_only=True):
        await cluster.merge(Reference(POD, namespace, pod["metadata"]["name"]), patch)
