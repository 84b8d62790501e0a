"""An execute pod: it attaches itself to its VO's access point, works for one owner, and leaves when it is idle."""

from __future__ import annotations

from typing import Any

from facility import names
from facility.condor import layout
from facility.condor.job_environment import job_environment
from facility.condor.resources import job_memory
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
#: seconds between HTCondor's last word and the kubelet's
_MARGIN = 30


def execute_pod(
    vo: VirtualOrganization, user: FacilityUser, site: Site, name: str, idtoken: str
) -> tuple[Manifest, Manifest]:
    """The Secret with the pod's HTCondor identity, which is its owner's, and the pod, both of that `name`."""
    meta = {
        "name": name,
        "namespace": site.namespaces.batch,
        "labels": labels(_COMPONENT, vo.name, user.owner),
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": idtoken}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": _spec(vo, user, site, name)}
    return secret, pod


def _spec(vo: VirtualOrganization, user: FacilityUser, site: Site, secret: str) -> dict[str, Any]:
    counted = {"priorityClassName": names.priority_class(vo.name)} if site.priority_classes else {}
    return counted | {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": site.batch.execute_grace + _MARGIN,
        "securityContext": pod_security(),
        "containers": [_container(vo, user, site)],
        "volumes": [
            *shared_volumes("ep-config", executable=True),
            {"name": "idtoken", "secret": {"secretName": secret, "defaultMode": 0o400}},
            {"name": "work", "emptyDir": {}},
            *cvmfs_volume(site),
        ],
    }


def _container(vo: VirtualOrganization, user: FacilityUser, site: Site) -> dict[str, Any]:
    own = {
        "EP_SCHEDD": site.schedd(vo.name),
        "EP_OWNER": user.owner,
        "EP_MEMORY": str(job_memory(site)),
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
        "resources": site.batch.execute_resources.manifest(),
        "securityContext": switching_accounts(),
        "volumeMounts": [
            *shared_mounts(),
            mount("config", str(layout.EXTRAUSERS)),
            mount("idtoken", str(layout.MOUNTED_TOKEN.parent)),
            mount("work", str(layout.LOCAL), writable=True),
            *cvmfs_mount(site),
        ],
    }
