"""What an execute pod has for its jobs, from the site's settings."""

from __future__ import annotations

import re

from facility.site import Site

#: MiB of an execute pod's memory that HTCondor's own daemons need
DAEMONS_MEMORY = 192
_UNITS = {"": 1, "m": 1e-3}
_UNITS |= {letter: 1000.0**n for n, letter in enumerate("kMGTP", 1)}
_UNITS |= {f"{letter}i": 1024.0**n for n, letter in enumerate("kMGTP", 1)}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|[kMGTP]i?)?")


def mebibytes(quantity: str) -> int:
    """A Kubernetes quantity of memory in MiB, rounded down. Raises ValueError when it is none."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity: write it like 512Mi or 4Gi")
    return int(float(match[1]) * _UNITS[match[2] or ""] / 2**20)


def job_memory(site: Site) -> int:
    """MiB that the jobs of one execute pod share: its memory without the share of the daemons."""
    resources = site.batch.execute_resources
    memory = resources.limits.get("memory") or resources.requests["memory"]
    return max(mebibytes(memory) - DAEMONS_MEMORY, 64)
