"""`/hub/facility/vos.json`: what a person's own machine has to know of the VOs to sign in and to ask for tokens.

Everybody may read it; it holds no secret. A VO is in it while it is open and names a public client for such machines
(`login.deviceClient`): without one there is nothing that `facility login` could use.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facility import names
from facility.condor import shapes
from facility.hub.public import PublicHandler
from facility.site import Site
from facility.tokens import naming, policy
from facility.vo import VirtualOrganization

#: seconds for which a machine, or a cache on the way, need not ask again
FRESH = 300


#: beside the bundle of what the hub itself trusts: the facility's own authority, PEM
_OWN = "own.crt"


def document(vos: Iterable[VirtualOrganization], site: Site, trust: str = "") -> dict[str, Any]:
    """All VOs that `facility login` is offered for, by name. `trust`: the authority of their servers, PEM."""
    offered = {vo.name: vo for vo in vos if vo.ready and not vo.closed and vo.spec.login.device_client}
    return {"vos": {name: {**_vo(vo, site), "trust": trust} for name, vo in sorted(offered.items())}}


def _vo(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    spec, service = vo.spec, names.xcache(vo.name)
    cache = f"{host(service, site.namespaces.facility, site)}:{names.XROOTD_PORT}"
    allowed = policy.notebook(spec, site.compute_audience)
    return {
        "title": spec.display_name or vo.name,
        "issuer": spec.issuer,
        "client_id": spec.login.device_client,
        "scopes": list(spec.session_scopes),
        "tokens": [asdict(one) for one in naming.named(spec, allowed, site.compute_audience)],
        "lakes": [
            {
                "prefix": lake.prefix,
                "base": lake.base,
                "audience": lake.audience,
                "root": f"root://{cache}/{lake.prefix}",
                "https": f"https://{cache}{lake.prefix}",
            }
            for lake in spec.lakes
        ],
        "batch": _batch(vo.name, site) if spec.batch.enabled else None,
    }


def _batch(vo: str, site: Site) -> dict[str, str]:
    """Where the queue is, and the memory (MiB) of jobs that ask for none."""
    there = host(names.access_point(vo), site.namespaces.batch, site)
    return {"schedd": f"{there}:{names.CONDOR_PORT}", "memory": str(shapes.job_default(site))}


def host(service: str, namespace: str, site: Site) -> str:
    """The public name; without one, that of the facility's own network."""
    return next(iter(site.outside_hosts(service)), names.host(service, namespace))


class OutsideHandler(PublicHandler):
    """The document, to anybody, with an ETag."""

    async def get(self) -> None:
        vos = [one.vo for one in self.authenticator.providers.values()]
        self.set_header("Cache-Control", f"public, max-age={FRESH}")
        self.finish(document(vos, self.authenticator.site, _trust(self.authenticator.bundle)))


def _trust(bundle: str) -> str:
    try:
        return Path(bundle or os.environ.get("SSL_CERT_FILE", "")).with_name(_OWN).read_text()
    except (OSError, ValueError):
        return ""  # a hub of the site's own, which has no such file
