"""How programs of people find their VO's lake: the variables that notebooks and jobs have in common. Pure."""

from __future__ import annotations

from facility import names
from facility.vo import VirtualOrganization


def lake(vo: VirtualOrganization, cache: str) -> dict[str, str]:
    """Variables by name, of a VO whose cache is the host `cache`; the token's file is told elsewhere."""
    lakes = vo.spec.lakes
    return {
        "LAKE_HOSTS": cache,
        "LAKE_ROOT": f"root://{cache}:{names.XROOTD_PORT}/",
        "LAKE_HTTPS": f"https://{cache}:{names.XROOTD_PORT}",
        "LAKE_PREFIXES": " ".join(one.prefix for one in lakes),
        "LAKE_BASES": " ".join(one.base for one in lakes),
        "LAKE_ORIGINS": " ".join(",".join(one.known_at) for one in lakes),
        "PYTHONPATH": "/opt/lake/python",
        # XRootD's client: let go of servers and addresses soon, for pods move
        "XRD_DATASERVERTTL": "60",
        "XRD_TIMEOUTRESOLUTION": "15",
    }
