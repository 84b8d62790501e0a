"""What built manifests have in common: labels by which they are found again, owners, hardened containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facility import names
from facility.operator.objects import CUSTOM, Kind, Manifest
from facility.site import Site
from facility.vo import VirtualOrganization

TRUST_DIRECTORY = "/etc/facility/trust"
TRUST_FILE = f"{TRUST_DIRECTORY}/ca.crt"
#: each library has its own name for the bundle of certificate authorities
TRUST_ENVIRONMENT = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "X509_CERT_FILE", "CURL_CA_BUNDLE")


def labels(component: str, vo: str = "", owner: str = "") -> dict[str, str]:
    """Labels of everything that the operator writes."""
    result = {
        "app.kubernetes.io/name": component,
        names.LABEL_COMPONENT: component,
        names.LABEL_MANAGED_BY: names.OPERATOR,
    }
    more = {names.LABEL_VO: vo, names.LABEL_OWNER: owner}
    return result | {key: value for key, value in more.items() if value}


def metadata(name: str, namespace: str, component: str, vo: str = "", owner: str = "") -> dict[str, Any]:
    """Metadata of an object that is the facility's, of a VO, or of a person's jobs."""
    return {"name": name, "namespace": namespace, "labels": labels(component, vo, owner)}


def manifest(kind: Kind, meta: Mapping[str, Any], **content: Any) -> Manifest:
    """An object of that kind; content: what it has beside its metadata."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": dict(meta), **content}


def owned(manifest: Manifest, vo: VirtualOrganization, site: Site) -> Manifest:
    """With the VO as its owner, where Kubernetes can know it: in the VO object's own namespace."""
    meta = manifest["metadata"]
    if meta.get("namespace") != site.namespaces.facility or not vo.uid:
        return manifest
    owner = {"apiVersion": CUSTOM, "kind": "VirtualOrganization", "name": vo.name, "uid": vo.uid}
    return {**manifest, "metadata": {**meta, "ownerReferences": [owner]}}


def config_map(name: str, namespace: str, data: Mapping[str, str], component: str, vo: str = "") -> Manifest:
    """A ConfigMap of texts."""
    meta = metadata(name, namespace, component, vo)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}


def environment(values: Mapping[str, str]) -> list[dict[str, str]]:
    """A container's `env`."""
    return [{"name": name, "value": value} for name, value in values.items()]


def trust_environment() -> dict[str, str]:
    """The variables that point every library at the facility's bundle."""
    return dict.fromkeys(TRUST_ENVIRONMENT, TRUST_FILE)


def cvmfs_volume(site: Site) -> list[dict[str, Any]]:
    """The volume of CVMFS, where the site has it."""
    if site.cvmfs is None:
        return []
    return [{"name": "cvmfs", "persistentVolumeClaim": {"claimName": site.cvmfs.claim}}]


def cvmfs_mount(site: Site) -> list[dict[str, Any]]:
    """Its mount: repositories that are mounted at the node after the pod has started are seen in it too."""
    if site.cvmfs is None:
        return []
    place = site.cvmfs.mount_path
    return [{"name": "cvmfs", "mountPath": place, "readOnly": True, "mountPropagation": "HostToContainer"}]


def restricted() -> dict[str, Any]:
    """Security context of a container that needs nothing (Pod Security Standards, restricted)."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
