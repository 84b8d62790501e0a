"""What an execute pod has for its jobs, from the site's settings."""

from __future__ import annotations

import re

from facility.site import Site

#: MiB of an execute pod's memory that are not its jobs': HTCondor's daemons, files in memory (/tmp, /dev/shm), and the
#: headroom in which a job that takes it all is noticed (facility.condor.pressure)
_POD_MEMORY = 256
#: for each job at a time: the starter beside it, the copy of that while files are sent, what the kernel keeps for it
_SLOT_MEMORY = 32
_UNITS = {"": 1, "m": 1e-3}
_UNITS |= {letter: 1000.0**n for n, letter in enumerate("kMGTPE", 1)}
_UNITS |= {f"{letter}i": 1024.0**n for n, letter in enumerate("KMGTPE", 1)}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|[MGTPE]|[KMGTPE]i)?")  # as facility.model.Quantity


def mebibytes(quantity: str) -> int:
    """A Kubernetes quantity of memory in MiB, rounded down. Raises ValueError when it is none."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity: write it like 512Mi or 4Gi")
    return int(float(match[1]) * _UNITS[match[2] or ""] / 2**20)


def cores(quantity: str) -> float:
    """A Kubernetes quantity of CPU in cores. Raises ValueError when it is none."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity: write it like 500m or 2")
    return float(match[1]) * _UNITS[match[2] or ""]


def daemons_memory(cpus: int) -> int:
    """MiB of the memory of an execute pod with so many cores that are not its jobs': there may be a job for each."""
    return _POD_MEMORY + _SLOT_MEMORY * cpus


def job_memory(site: Site) -> int:
    """MiB that the jobs of one usual execute pod share: its memory without the share of the daemons."""
    resources = site.batch.execute_resources
    memory = resources.limits.get("memory") or resources.requests["memory"]
    return max(mebibytes(memory) - daemons_memory(site.batch.execute_cpus), 64)
