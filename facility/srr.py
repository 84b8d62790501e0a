"""Storage resource reports: what WLCG's accounting reads of a storage (SRR, schema 4.2). Pure.

https://twiki.cern.ch/twiki/bin/view/LCG/StorageSpaceAccounting; sizes are in bytes, times in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: URL scheme to the report's word for the protocol
_INTERFACES = {"https": "https", "root": "xroot"}


@dataclass(frozen=True)
class Share:
    """Room that VOs share. at: when it was counted. kept: whether what is in it is in no other place."""

    name: str
    vos: Sequence[str]
    paths: Sequence[str]
    size: int
    used: int
    files: int
    at: float
    kept: bool = True
    closed: bool = False


@dataclass(frozen=True)
class Service:
    """An XRootD server. kind: the report's `servicetype`; port: of both protocols."""

    name: str
    kind: str
    version: str
    host: str
    port: int


def report(service: Service, shares: Sequence[Share], now: float) -> dict[str, Any]:
    """The document, to be written as JSON. All protocols lead to all shares."""
    amounts = {"totalsize": sum(one.size for one in shares), "usedsize": sum(one.used for one in shares)}
    return {
        "storageservice": {
            "name": service.name,
            "id": service.host,
            "servicetype": service.kind,
            "implementation": "XRootD",
            "implementationversion": service.version,
            "latestupdate": round(now),
            "storagecapacity": {"online": amounts},
            "storageendpoints": [_endpoint(scheme, service, shares) for scheme in _INTERFACES],
            "storageshares": [_share(one) for one in shares],
        }
    }


def _endpoint(scheme: str, service: Service, shares: Sequence[Share]) -> dict[str, Any]:
    return {
        "name": scheme,
        "endpointurl": f"{scheme}://{service.host}:{service.port}/",
        "interfacetype": _INTERFACES[scheme],
        "capabilities": ["data.access.read"],
        "assignedshares": [one.name for one in shares],
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "name": share.name,
        "timestamp": round(share.at),
        "totalsize": share.size,
        "usedsize": share.used,
        "numberoffiles": share.files,
        "vos": list(share.vos),
        "path": list(share.paths),
        "assignedendpoints": list(_INTERFACES),
        "accesslatency": "online",
        "retentionpolicy": "replica" if share.kept else "none",
        "accessmode": ["read"],
        "servingstate": "closed" if share.closed else "open",
    }
