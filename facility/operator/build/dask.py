"""The ways of dask's clusters: a person's own notebooks and execute pods reach each other, and nobody else's.

Scheduler and workers listen at ports that the kernel gives (net.ipv4.ip_local_port_range), and prove to each other
whose they are (facility.lab.dask). Where a pod may connect to is said once for the VO; who may come in, for each
person: a policy cannot say "of the same owner". So a job reaches nothing in a neighbour's pod, whatever listens there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from facility.operator.build.common import manifest, metadata
from facility.operator.build.network import marks, peer, policy
from facility.operator.objects import NETWORK_POLICY, Manifest
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization

#: Linux' own range for those who name no port; servers of notebooks and HTCondor are not in it
FIRST, LAST = 32768, 60999
_NOTEBOOK, _EXECUTE = "notebook", "execute"
_Ways = list[dict[str, Any]]
_PORTS = [{"protocol": "TCP", "port": FIRST, "endPort": LAST}]


def ways(vo: VirtualOrganization, users: Iterable[FacilityUser], site: Site) -> list[Manifest]:
    """The policies of a VO and of its people."""
    spaces = site.namespaces
    both = [peer(spaces.batch, _EXECUTE, vo.name), peer(spaces.users, _NOTEBOOK, vo.name)]
    way = [{"to": both, "ports": _PORTS}]
    found = [_wall(spaces.users, _NOTEBOOK, vo, egress=way), _wall(spaces.batch, _EXECUTE, vo, egress=way)]
    for user in users:
        if user.spec.vo == vo.name:
            found += _of_person(vo, user, site)
    return found


def _of_person(vo: VirtualOrganization, user: FacilityUser, site: Site) -> list[Manifest]:
    spaces = site.namespaces
    pods = peer(spaces.batch, _EXECUTE, vo.name, user.owner)
    notebooks = peer(spaces.users, _NOTEBOOK, vo.name, user.owner)
    return [
        _wall(spaces.users, _NOTEBOOK, vo, user, ingress=[{"from": [pods], "ports": _PORTS}]),
        _wall(spaces.batch, _EXECUTE, vo, user, ingress=[{"from": [pods, notebooks], "ports": _PORTS}]),
    ]


def _wall(
    namespace: str, component: str, vo: VirtualOrganization, user: FacilityUser | None = None, **directions: _Ways
) -> Manifest:
    """Around pods of a person, or of all of the VO."""
    name, owner = (user.hub_user, user.owner) if user else (vo.name, "")
    meta = metadata(f"dask-{name}", namespace, component, vo.name, owner)
    return manifest(NETWORK_POLICY, meta, spec=policy(marks(component, vo.name, owner), **directions))
