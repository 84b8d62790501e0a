"""All that is built: for the site, and for each VO."""

from __future__ import annotations

from collections.abc import Sequence

from facility.operator.build.access_point import access_point, people
from facility.operator.build.clients import clients
from facility.operator.build.common import owned
from facility.operator.build.dask import ways
from facility.operator.build.outside import outside
from facility.operator.build.pool import pool
from facility.operator.build.quotas import quotas
from facility.operator.build.users import user_policies
from facility.operator.build.xcache import xcache
from facility.operator.objects import Manifest
from facility.operator.validate import ValidatedVO
from facility.site import Site


def of_site(validated: Sequence[ValidatedVO], site: Site) -> list[Manifest]:
    """What a facility has one of and depends on which VOs there are."""
    vos = [one.vo for one in validated]
    return [*pool(vos, site), clients(vos, site)]


def of_vo(validated: ValidatedVO, site: Site) -> list[Manifest]:
    """One VO's quotas, cache, access point, people, and the walls around its users."""
    vo, found = validated.vo, validated.addresses
    cache = xcache(vo, site, validated.datasets) if vo.spec.lakes else []
    queue = [people(vo, validated.users, site), *access_point(vo, site, found)] if vo.spec.batch.enabled else []
    queue += ways(vo, validated.users, site) if vo.spec.batch.enabled else []
    built = (*quotas(vo, site), *cache, *queue, *user_policies(vo, site, found), *outside(vo, site))
    return [owned(manifest, vo, site) for manifest in built]
