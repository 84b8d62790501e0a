"""kubespawner's `modify_pod_hook` here: what a pod has of its person's VO, and the last checks before it is made.

Nothing is written to the spawner, whose state outlives a spawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes_asyncio.client import V1Affinity, V1EnvVar, V1Pod, V1PodAffinity

from facility import names
from facility.hub import limits, volumes, walls
from facility.site import Site
from facility.vo import VirtualOrganization

_DEFAULT = "kubectl.kubernetes.io/default-container"
Environment = Callable[[str, VirtualOrganization, Site], dict[str, str]]


async def personalize(site: Site, environment: Environment, spawner: Any, pod: V1Pod) -> V1Pod:
    """Labels, environment, volumes and priority of this user's VO, on this pod only. Raises Refused."""
    vo = await spawner.virtual_organization()
    labels = spawner.labels()
    pod.metadata.labels |= labels
    _notebook(pod, environment(spawner.user.name, vo, site), site, vo)
    if site.priority_classes:
        pod.spec.priority_class_name = names.priority_class(vo.name)
    others, owner = spawner.others(), labels[names.LABEL_OWNER]
    if any(one["metadata"].get("labels", {}).get(names.LABEL_OWNER) == owner for one in others):
        _beside(pod, owner, spawner)
    _agent_first(pod)
    shape = spawner.api.api_client.sanitize_for_serialization(pod)
    walls.check(shape)
    limits.check(vo, owner, others, shape, site.gpu_resource)
    spawner.making[spawner.pod_name] = shape
    return pod


def _notebook(pod: V1Pod, environment: dict[str, str], site: Site, vo: VirtualOrganization) -> None:
    spec: Any = pod.spec  # takes dictionaries as the API server has them, too
    notebook = next(one for one in spec.containers if one.name == "notebook")
    added = [V1EnvVar(name=key, value=value) for key, value in environment.items()]
    notebook.env = [*(notebook.env or []), *added]
    pairs = list(volumes.shared(site, vo))
    spec.volumes = [*(spec.volumes or []), *(volume for volume, _ in pairs)]
    notebook.volume_mounts = [*(notebook.volume_mounts or []), *(mount for _, mount in pairs)]


def _agent_first(pod: V1Pod) -> None:
    """The kubelet starts containers in this order; whoever looks into the pod means the notebook."""
    spec: Any = pod.spec
    spec.containers = sorted(spec.containers, key=lambda one: one.name != walls.AGENT)
    pod.metadata.annotations = {**(pod.metadata.annotations or {}), _DEFAULT: "notebook"}


def _beside(pod: V1Pod, owner: str, spawner: Any) -> None:
    """A further server of a person goes to the node of the others: most homes can be mounted on one node only."""
    if "ReadWriteOnce" not in spawner.storage_access_modes:
        return
    pod.spec.affinity = pod.spec.affinity or V1Affinity()
    pods: Any = pod.spec.affinity.pod_affinity or V1PodAffinity()
    pod.spec.affinity.pod_affinity = pods
    term = {"labelSelector": {"matchLabels": {names.LABEL_OWNER: owner}}, "topologyKey": "kubernetes.io/hostname"}
    required = pods.required_during_scheduling_ignored_during_execution or []
    pods.required_during_scheduling_ignored_during_execution = [*required, term]
