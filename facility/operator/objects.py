"""What the API server needs to find an object. Pure: built manifests and the client both stand on it."""

from __future__ import annotations

from typing import Any, NamedTuple

from facility import names

Manifest = dict[str, Any]
CUSTOM = f"{names.API_GROUP}/{names.API_VERSION}"
#: label on the operator's TLS Secrets, by which the due and the orphaned are found
TLS = "tls"

_PLURALS = {
    "CachedDataset": "cacheddatasets",
    "ConfigMap": "configmaps",
    "Event": "events",
    "FacilityUser": "facilityusers",
    "Lease": "leases",
    "NetworkPolicy": "networkpolicies",
    "Node": "nodes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "PriorityClass": "priorityclasses",
    "ResourceQuota": "resourcequotas",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
    "VirtualOrganization": "virtualorganizations",
}


class Kind(NamedTuple):
    """A kind of object, such as ("apps/v1", "StatefulSet")."""

    api_version: str
    kind: str

    def path(self, namespace: str) -> str:
        """Path of the kind's collection in a namespace; "" for kinds that lie in none."""
        root = "/apis" if "/" in self.api_version else "/api"
        space = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}/{self.api_version}{space}/{_PLURALS[self.kind]}"


class Reference(NamedTuple):
    """One object; `namespace` is "" for kinds that lie in none."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Path of the object on the API server."""
        return f"{self.kind.path(self.namespace)}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.kind} {self.name}"


CONFIG_MAP = Kind("v1", "ConfigMap")
POD = Kind("v1", "Pod")
NODE = Kind("v1", "Node")
SECRET = Kind("v1", "Secret")
SERVICE = Kind("v1", "Service")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount")
RESOURCE_QUOTA = Kind("v1", "ResourceQuota")
STATEFUL_SET = Kind("apps/v1", "StatefulSet")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget")
ROLE = Kind("rbac.authorization.k8s.io/v1", "Role")
PRIORITY_CLASS = Kind("scheduling.k8s.io/v1", "PriorityClass")
LEASE = Kind("coordination.k8s.io/v1", "Lease")
EVENT = Kind("events.k8s.io/v1", "Event")
CACHED_DATASET = Kind(CUSTOM, "CachedDataset")
FACILITY_USER = Kind(CUSTOM, "FacilityUser")
VIRTUAL_ORGANIZATION = Kind(CUSTOM, "VirtualOrganization")


def reference(manifest: Manifest) -> Reference:
    """The object that a manifest describes."""
    meta = manifest["metadata"]
    return Reference(Kind(manifest["apiVersion"], manifest["kind"]), meta.get("namespace", ""), meta["name"])


def labels(manifest: Manifest) -> dict[str, str]:
    """Its labels, none if it has none."""
    return manifest["metadata"].get("labels") or {}
