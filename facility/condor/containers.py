"""Jobs in container images of their own (`container_image` in a submit file), by Apptainer, without any privilege.

Apptainer makes a user namespace for that, which the seccomp profile forbids that pods have by default. So a site says
when its nodes allow it; where it does not, such jobs are refused when they are submitted: they would wait for ever.
Jobs never have a Docker daemon.
"""

from __future__ import annotations

from facility.condor.layout import TRUST
from facility.site import Site

#: WantDockerImage is what a job of the container universe carries whose image comes from a registry
_IMAGES = ("WantContainer", "ContainerImage", "SingularityImage", "WantDockerImage")
_DOCKER = ("WantDocker", "DockerImage")


def requirements(site: Site) -> str:
    """Lines of an access point's `condor_config`: which jobs with images are refused, and why."""
    refused = _DOCKER if site.batch.containers else (*_IMAGES, *_DOCKER)
    none = " && ".join(f"(({name} ?: false) =?= false)" for name in refused)
    return f"""
SUBMIT_REQUIREMENT_NAMES = $(SUBMIT_REQUIREMENT_NAMES) Images
SUBMIT_REQUIREMENT_Images = {none}
SUBMIT_REQUIREMENT_Images_REASON = "{_reason(site)}"
"""


def _reason(site: Site) -> str:
    if site.batch.containers:
        return "there is no Docker here: write container_image = docker://… without universe = docker"
    return "nodes of this site run no container images of jobs: leave container_image and universe = container out"


def execute(site: Site) -> str:
    """Lines of execute pods' `condor_config`."""
    if not site.batch.containers:
        return ""
    seen = [str(TRUST.parent), *([site.cvmfs.mount_path] if site.cvmfs else [])]
    return f"""
SINGULARITY = /usr/bin/apptainer
# a namespace of processes would want a /proc of its own, which a pod cannot mount; accounts keep jobs apart
SINGULARITY_USE_PID_NAMESPACES = False
SINGULARITY_BIND_EXPR = "{" ".join(seen)}"
"""


def seccomp(site: Site) -> dict[str, str]:
    """The seccomp profile of execute pods (Kubernetes' SeccompProfile), empty where the kubelet's own is to hold."""
    if not site.batch.containers:
        return {"type": "RuntimeDefault"}
    profile = site.batch.seccomp_profile
    return {"type": "Localhost", "localhostProfile": profile} if profile else {}
