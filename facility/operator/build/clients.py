"""Which client Secrets the hub and the broker may read: those that VOs name, each by its name, and no others."""

from __future__ import annotations

from collections.abc import Iterable

from facility.operator.build.common import metadata
from facility.operator.objects import ROLE, Manifest
from facility.site import Site
from facility.vo import VirtualOrganization

NAME = "vo-clients"


def clients(vos: Iterable[VirtualOrganization], site: Site) -> Manifest:
    """Role `vo-clients`. Without VOs it has no rule at all: a rule without names would be one for every Secret."""
    secrets = sorted({name for vo in vos for name in vo.spec.client_secrets})
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": secrets}
    return {
        "apiVersion": ROLE.api_version,
        "kind": ROLE.kind,
        "metadata": metadata(NAME, site.namespaces.facility, "vo-clients"),
        "rules": [rule] if secrets else [],
    }
