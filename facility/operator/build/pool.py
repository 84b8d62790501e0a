"""What all VOs share of HTCondor: the configuration of the central manager and of execute pods."""

from __future__ import annotations

from collections.abc import Iterable

from facility.condor import accounts, config, execute_config, gpus, job_wrapper, mapfile
from facility.keycache import settings as keycache
from facility.operator.build.common import config_map
from facility.operator.objects import Manifest
from facility.site import Site
from facility.vo import VirtualOrganization


def pool(vos: Iterable[VirtualOrganization], site: Site) -> list[Manifest]:
    """ConfigMaps `cm-config` and `ep-config`."""
    namespace = site.namespaces.batch
    queued = [vo for vo in vos if vo.spec.batch.enabled]
    manager = {
        "condor_config": config.central_manager(site),
        "mapfile": mapfile.central_manager(queued),
        keycache.ISSUERS: keycache.lines(vo.spec.issuer for vo in queued),
    }
    slots = accounts.slots(execute_config.slot_accounts(site))
    programs = {"job-wrapper": job_wrapper.TEXT, "gpus": gpus.TEXT}
    execute = {"condor_config": execute_config.execute(site), **programs, **slots}
    return [
        config_map("cm-config", namespace, manager, component="cm"),
        config_map("ep-config", namespace, execute, component="execute"),
    ]
