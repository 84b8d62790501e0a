"""The volumes that servers share: the site's, their VO's, and CVMFS. To read only, whoever owns what is on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from facility.profiles import SharedVolume
from facility.site import Site
from facility.vo import VirtualOrganization

Json = dict[str, Any]


def shared(site: Site, vo: VirtualOrganization) -> Iterator[tuple[Json, Json]]:
    """Pairs of a pod's volume and its mount, as the API server takes them.

    Of two volumes for one path the VO's is taken: a path has one meaning.
    """
    if site.cvmfs is not None:
        yield _cvmfs(site.cvmfs.claim, site.cvmfs.mount_path)
    ours = {one.mount_path: ("site", one) for one in site.volumes}
    theirs = {one.mount_path: ("vo", one) for one in vo.spec.volumes}
    for prefix, one in (ours | theirs).values():
        yield _volume(f"{prefix}-{one.name}", one)


def _volume(name: str, one: SharedVolume) -> tuple[Json, Json]:
    claim = {"claimName": one.claim, "readOnly": True}
    mount = {"name": name, "mountPath": one.mount_path, "readOnly": True}
    return {"name": name, "persistentVolumeClaim": claim}, mount


def _cvmfs(claim: str, path: str) -> tuple[Json, Json]:
    """The node mounts repositories below it as they are opened, after the pod has started: hence the propagation.

    The claim itself is not read-only: the driver's volume is a place for mounts, each of which is.
    """
    mount = {"name": "cvmfs", "mountPath": path, "readOnly": True, "mountPropagation": "HostToContainer"}
    return {"name": "cvmfs", "persistentVolumeClaim": {"claimName": claim}}, mount
