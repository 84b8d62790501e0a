"""Images beyond the engine that built them: to a registry that a cluster pulls from, or away."""

from __future__ import annotations

from collections.abc import Iterable

from facility.dev.cluster import registry
from facility.dev.cluster.run import logged, output, step
from facility.dev.images.catalog import REPOSITORY


def push(references: Iterable[str], to: str) -> list[str]:
    """Push images under `<to>/<reference>`; the new references. Raises ClusterError with what docker said."""
    pushed = [f"{to.rstrip('/')}/{ref}" for ref in references]
    for there in pushed:
        if registry.present(there):
            continue
        with step(f"push {there}"):
            logged(["docker", "tag", there.removeprefix(f"{to.rstrip('/')}/"), there])
            logged(["docker", "push", there])
    return pushed


def remove() -> None:
    """Take every image of this repository out of the engine."""
    listed = output(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{REPOSITORY}/*"])
    if names := listed.split():
        logged(["docker", "image", "rm", "--force", *names])
