"""Images beyond the engine that built them: to a registry that a cluster pulls from, or away."""

from __future__ import annotations

from collections.abc import Iterable

from facility.dev.cluster import registry
from facility.dev.cluster.run import logged, output, step
from facility.dev.images.catalog import REPOSITORY

#: builds of an image that stay: today's, and those of another branch or checkout
_KEPT = 3


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
    _away(_held("*"))


def drop_superseded(name: str, built: str) -> None:
    """Take all but the newest builds of one image out of the engine, or each day's work would fill a disk. Not the one
    that was just built: if all its layers were there, it is as old as they are."""
    _away([one for one in _held(name)[_KEPT:] if one != built])


def _held(name: str) -> list[str]:
    """References of an image's builds that the engine has, the newest first, as docker lists them."""
    return output(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{REPOSITORY}/{name}"]).split()


def _away(references: list[str]) -> None:
    if references:
        logged(["docker", "image", "rm", "--force", *references])
