"""What the pods of HTCondor have in common: how they are walled in, what they mount and where."""

from __future__ import annotations

from typing import Any

from facility import names
from facility.condor import layout
from facility.operator.build.common import TRUST_DIRECTORY, trust_environment
from facility.operator.build.network import peer
from facility.site import Site

#: HTCondor runs each owner's work under an account of its own, which takes these and no more
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]
CONDOR_PORT = [{"port": names.CONDOR_PORT}]


def pod_security() -> dict[str, Any]:
    """Pods that start as root (Pod Security Standards: baseline)."""
    return {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}}


def switching_accounts() -> dict[str, Any]:
    """Security context of a container whose daemons become the owners of jobs."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": _CAPABILITIES},
        "readOnlyRootFilesystem": True,
    }


def shared_environment() -> dict[str, str]:
    """What every container of HTCondor has, for its tools too when somebody looks in."""
    return trust_environment() | {"CONDOR_CONFIG": str(layout.CONFIG)}


def shared_mounts() -> list[dict[str, Any]]:
    """What every container of HTCondor has."""
    return [
        mount("config", str(layout.CONFIG.parent)),
        mount("trust", TRUST_DIRECTORY),
        mount("memory", str(layout.MEMORY), writable=True),
        mount("tmp", "/tmp", writable=True),  # noqa: S108 - a volume of its own
    ]


def shared_volumes(config: str, executable: bool = False) -> list[dict[str, Any]]:
    """Their volumes. `config`: the ConfigMap of that role; `executable`: whether it holds programs."""
    mode = 0o555 if executable else 0o444
    return [
        {"name": "config", "configMap": {"name": config, "defaultMode": mode}},
        {"name": "trust", "configMap": {"name": "facility-trust"}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]


def mount(volume: str, path: str, writable: bool = False) -> dict[str, Any]:
    """A container's mount of a volume."""
    return {"name": volume, "mountPath": path} | ({} if writable else {"readOnly": True})


def to_central_manager(site: Site) -> dict[str, Any]:
    """Way to the central manager."""
    return {"to": [peer(site.namespaces.batch, "cm")], "ports": CONDOR_PORT}
