"""Of which kinds the operator makes objects, and where: what it follows there, and removes when nothing asks for it."""

from __future__ import annotations

from facility.operator.objects import (
    CONFIG_MAP,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    PRIORITY_CLASS,
    RESOURCE_QUOTA,
    ROLE,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from facility.site import Site

#: in the order of removal: a network policy goes only after what it guarded
_IN_FACILITY = (STATEFUL_SET, POD_DISRUPTION_BUDGET, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, ROLE, NETWORK_POLICY)
_IN_BATCH = (STATEFUL_SET, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, RESOURCE_QUOTA, NETWORK_POLICY)
_IN_USERS = (CONFIG_MAP, RESOURCE_QUOTA, NETWORK_POLICY)


def places(site: Site) -> list[tuple[Kind, str]]:
    """Kinds with the namespaces they are in, in the order of removal; "" for those that lie in none."""
    spaces = site.namespaces
    found = [(kind, spaces.facility) for kind in _IN_FACILITY]
    found += [(kind, spaces.batch) for kind in _IN_BATCH]
    found += [(kind, spaces.users) for kind in _IN_USERS]
    found += [(PRIORITY_CLASS, "")] if site.priority_classes else []
    return list(dict.fromkeys(found))
