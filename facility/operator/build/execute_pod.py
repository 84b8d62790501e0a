"""An execute pod: it attaches itself to its VO's access point, works for one owner, and leaves when it is idle."""

from __future__ import annotations

from typing import Any

from facility import names
from facility.condor import containers, layout, shapes
from facility.condor.job_environment import job_environment
from facility.condor.shapes import Shape
from facility.operator.build.common import cvmfs_mount, cvmfs_volume, environment, labels
from facility.operator.build.condor import (
    mount,
    pod_security,
    shared_environment,
    shared_mounts,
    shared_volumes,
    switching_accounts,
)
from facility.operator.objects import Manifest
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization

_COMPONENT = "execute"
#: tells Kubernetes' cluster autoscaler that a node is not empty while jobs run there: the pod leaves when it is idle
_STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
_QUEUE = "kueue.x-k8s.io/queue-name"
#: seconds between HTCondor's last word and the kubelet's
_MARGIN = 30


def execute_pod(
    vo: VirtualOrganization, user: FacilityUser, site: Site, name: str, idtoken: str, shape: Shape
) -> tuple[Manifest, Manifest]:
    """The Secret with the pod's HTCondor identity, which is its owner's, and the pod, both of that `name`.

    shape: what the pod has for its owner's jobs.
    """
    marks = labels(_COMPONENT, vo.name, user.owner)
    meta = {"name": name, "namespace": site.namespaces.batch, "labels": marks}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": idtoken}}
    queue = {_QUEUE: site.batch.kueue_queue} if site.batch.kueue_queue else {}
    annotations = {names.ANNOTATION_SHAPE: shapes.written(shape)} | _STAYS
    own = meta | {"labels": marks | queue, "annotations": annotations}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": _spec(vo, user, site, name, shape)}
    return secret, pod


def _spec(vo: VirtualOrganization, user: FacilityUser, site: Site, secret: str, shape: Shape) -> dict[str, Any]:
    return _priority(vo, site) | {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": site.batch.execute_grace + _MARGIN,
        "securityContext": _security(site),
        "containers": [_container(vo, user, site, shape)],
        "volumes": _volumes(site, secret, shape),
    }


def _priority(vo: VirtualOrganization, site: Site) -> dict[str, str]:
    """A pod has one class: the site's own, or the VO's, by which quotas tell VOs apart."""
    counted = names.priority_class(vo.name) if site.priority_classes else ""
    called = site.batch.priority_class or counted
    return {"priorityClassName": called} if called else {}


def _security(site: Site) -> dict[str, Any]:
    profile = containers.seccomp(site)
    rest = {name: value for name, value in pod_security().items() if name != "seccompProfile"}
    return rest | ({"seccompProfile": profile} if profile else {})


def _confined(site: Site) -> dict[str, Any]:
    """AppArmor's part of the container's security context, where the site has something to say about it."""
    kind, _, name = site.batch.apparmor_profile.partition("/")
    return {"appArmorProfile": {"type": kind} | ({"localhostProfile": name} if name else {})} if kind else {}


def _volumes(site: Site, secret: str, shape: Shape) -> list[dict[str, Any]]:
    """What a job writes beyond its scratch directory is in memory: it is bounded there, and ends no pod."""
    shared = [one for one in shared_volumes("ep-config", executable=True) if one["name"] != "tmp"]
    asked = {
        "path": layout.RETIRE.name,
        "fieldRef": {"fieldPath": f"metadata.annotations['{names.ANNOTATION_RETIRE}']"},
    }
    return [
        *shared,
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "idtoken", "secret": {"secretName": secret, "defaultMode": 0o400}},
        {"name": "pod", "downwardAPI": {"items": [asked]}},
        {"name": "work", "emptyDir": {"sizeLimit": f"{shape.disk + shapes.DAEMONS_DISK}Mi"}},
        *cvmfs_volume(site),
    ]


def _container(vo: VirtualOrganization, user: FacilityUser, site: Site, shape: Shape) -> dict[str, Any]:
    own = {
        "EP_SCHEDD": site.schedd(vo.name),
        "EP_OWNER": user.owner,
        "EP_CPUS": str(shape.cpus),
        "EP_MEMORY": str(shape.memory),
        # HTCondor gives each job a little more than it asks for
        "EP_DISK": str((shape.disk + shape.cpus) * 1024),
        "EP_GPUS": str(shape.gpus),
        "EP_JOB_ENVIRONMENT": job_environment(vo, user, site),
    }
    pod_name = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return {
        "name": _COMPONENT,
        "image": vo.spec.batch.image or site.images.notebook,
        "imagePullPolicy": site.images.pull_policy,
        "args": ["facility-condor", "ep"],
        "env": [pod_name, *environment(shared_environment() | own)],
        "ports": [{"name": "condor", "containerPort": names.CONDOR_PORT}],
        "resources": shapes.resources(shape, site),
        "securityContext": switching_accounts() | _confined(site),
        "volumeMounts": [
            *shared_mounts(),
            mount("config", str(layout.EXTRAUSERS)),
            mount("idtoken", str(layout.MOUNTED_TOKEN.parent)),
            mount("pod", str(layout.RETIRE.parent)),
            mount("work", str(layout.LOCAL), writable=True),
            *cvmfs_mount(site),
        ],
    }
