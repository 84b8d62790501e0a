"""How large the site's execute pods are: the usual one, the largest one, and what Kubernetes is asked for each."""

from __future__ import annotations

from typing import Any

from facility.condor.amounts import Shape, largest, read, written
from facility.condor.resources import cores, daemons_memory, job_memory, mebibytes
from facility.site import Site

__all__ = ["DAEMONS_DISK", "Shape", "job_default", "largest", "maximum", "read", "resources", "usual", "written"]

#: MiB of a pod's disk beyond that of its jobs: daemons' logs, the container's own files
DAEMONS_DISK = 512
_DISK = "ephemeral-storage"


def usual(site: Site) -> Shape:
    """The execute pod that everybody gets whose jobs fit into it."""
    return Shape(site.batch.execute_cpus, job_memory(site), mebibytes(site.batch.execute_disk))


def maximum(site: Site) -> Shape:
    """The largest execute pod of the site, at least the usual one: a job that asks for more never starts."""
    batch = site.batch
    memory = max(mebibytes(batch.execute_max_memory) - daemons_memory(batch.execute_max_cpus), 0)
    gpus = batch.execute_max_gpus if batch.gpu_resource else 0
    most = Shape(batch.execute_max_cpus, memory, mebibytes(batch.execute_max_disk), gpus)
    return largest((most, usual(site)))


def job_default(site: Site) -> int:
    """MiB of memory of a job that asks for none: what a core has in the usual execute pod."""
    pod = usual(site)
    return max(pod.memory // pod.cpus, 1)


def resources(shape: Shape, site: Site) -> dict[str, Any]:
    """Requests and limits of the container that has this shape for its jobs.

    The usual pod's are `site.batch.executeResources`; others get in proportion: CPU by cores, memory by its limit.
    Disk is asked for and limited, so that the scheduler knows of it and a full pod harms none beside it; in proportion
    too, where the site asks for another amount.
    """
    given = site.batch.execute_resources
    cpu = cores(given.requests.get("cpu", "0")) * shape.cpus / site.batch.execute_cpus
    memory = shape.memory + daemons_memory(shape.cpus)
    most = given.limits.get("memory") or given.requests["memory"]
    asked = memory * mebibytes(given.requests.get("memory", most)) // max(mebibytes(most), 1)
    disk = shape.disk + DAEMONS_DISK
    room = disk if _DISK not in given.requests else mebibytes(given.requests[_DISK]) * disk // usual(site).disk
    requests = {"cpu": f"{round(cpu * 1000)}m", "memory": f"{asked}Mi", _DISK: f"{min(room, disk)}Mi"}
    limits = {"memory": f"{memory}Mi", _DISK: f"{disk}Mi"}
    if "cpu" in given.limits:
        limits["cpu"] = f"{round(cores(given.limits['cpu']) * shape.cpus / site.batch.execute_cpus * 1000)}m"
    if shape.gpus:
        limits[site.batch.gpu_resource] = requests[site.batch.gpu_resource] = str(shape.gpus)
    return {"requests": requests, "limits": limits}
