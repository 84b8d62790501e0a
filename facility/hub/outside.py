"""`/hub/facility/vos.json`: what a person's own machine has to know of the VOs to sign in and to ask for tokens.

Everybody may read it; it holds no secret. A VO is in it while it is open and names a public client for such machines
(`login.deviceClient`): without one there is nothing that `facility login` could use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from jupyterhub.handlers import BaseHandler

from facility import names
from facility.site import Site
from facility.tokens import naming, policy
from facility.vo import VirtualOrganization

#: seconds for which a machine, or a cache on the way, need not ask again
FRESH = 300


def document(vos: Iterable[VirtualOrganization], site: Site) -> dict[str, Any]:
    """All VOs that `facility login` is offered for, by name."""
    offered = {vo.name: vo for vo in vos if vo.ready and not vo.closed and vo.spec.login.device_client}
    return {"vos": {name: _vo(vo, site) for name, vo in sorted(offered.items())}}


def _vo(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    spec, cache = vo.spec, f"{site.xcache(vo.name)}:{names.XROOTD_PORT}"
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
    return {"pool": f"{site.central_manager}:{names.CONDOR_PORT}", "schedd": site.schedd(vo)}


class OutsideHandler(BaseHandler):  # type: ignore[misc]
    """The document, to anybody, with an ETag."""

    async def prepare(self) -> None:
        """Nobody needs to be signed in, and no session is asked for."""
        self._jupyterhub_user = None
        self._resolve_roles_and_scopes()

    async def get(self) -> None:
        vos = [one.vo for one in self.authenticator.providers.values()]
        self.set_header("Cache-Control", f"public, max-age={FRESH}")
        self.finish(document(vos, self.authenticator.site))
