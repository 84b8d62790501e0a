"""Step 1: read everything that the facility's objects point at, and decide nothing."""

from __future__ import annotations

import base64
import binascii

from facility.operator.cluster import Cluster
from facility.operator.discovery import Discovery
from facility.operator.facts import Facts, client_of, issuer_of
from facility.operator.objects import FACILITY_USER, SECRET, VIRTUAL_ORGANIZATION, Reference
from facility.site import Site


async def dereference(cluster: Cluster, discovery: Discovery, site: Site) -> Facts:
    """Read it all. Raises ClusterError when the API server does not give it: half a picture is none."""
    namespace = site.namespaces.facility
    vos = await cluster.list(VIRTUAL_ORGANIZATION, namespace)
    users = await cluster.list(FACILITY_USER, namespace)
    secrets = {name for vo in vos if (name := client_of(vo))}
    clients = {name: keys for name in sorted(secrets) if (keys := await _keys(cluster, namespace, name)) is not None}
    issuers = await discovery.look({issuer for vo in vos if (issuer := issuer_of(vo))})
    return Facts(tuple(vos), tuple(users), issuers, clients)


async def _keys(cluster: Cluster, namespace: str, name: str) -> frozenset[str] | None:
    secret = await cluster.read(Reference(SECRET, namespace, name))
    if secret is None:
        return None
    return frozenset(key for key, value in (secret.get("data") or {}).items() if _filled(value))


def _filled(value: str) -> bool:
    try:
        return bool(base64.b64decode(value or "").strip())
    except binascii.Error:
        return False
