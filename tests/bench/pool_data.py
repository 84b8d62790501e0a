"""Larger files at the demo's origin, made there: a container that comes into its pod, writes, and ends.

The files go with the pod, or by `removed`; what the cache has read of them, it drops when it needs the room.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Stage
from facility.dev.lake import made

FOLDER = "/cms/embargoed/made"
_LAKE = "/lake"


@contextmanager
def files(stage: Stage, count: int, events: int) -> Iterator[list[str]]:
    """Lake paths of so many files of so many events, until the end."""
    image = place.images()["demo"]
    folder = f"{_LAKE}{FOLDER}"
    run(stage, image, ["python3", "-m", "facility.dev.lake.made", folder, str(count), str(events)])
    try:
        yield [f"{FOLDER}/{name}" for name in made.names(count)]
    finally:
        run(stage, image, ["python3", "-c", f"import shutil; shutil.rmtree({folder!r})"])


def run(stage: Stage, image: str, command: Sequence[str]) -> None:
    """Run a program in the origin's pod that may write to its files. Raises AssertionError when it fails."""
    (pod,) = stage.cluster.items("pods", "-n", world.NAMESPACE, "-l", "app.kubernetes.io/component=origin")
    name, container = pod["metadata"]["name"], f"made-{secrets.token_hex(4)}"
    changed = with_container(pod, container, image, command)
    where = f"/api/v1/namespaces/{world.NAMESPACE}/pods/{name}/ephemeralcontainers"
    stage.cluster.do("replace", "--raw", where, "-f", "-", stdin=json.dumps(changed))
    ended: dict[str, Any] = {}

    def over() -> bool:
        found = stage.cluster.get("pod", name, "-n", world.NAMESPACE)["status"]
        for one in found.get("ephemeralContainerStatuses", ()):
            if one["name"] == container:
                ended.update(one["state"].get("terminated", {}))
        return bool(ended)

    stage.cluster.wait_for(f"{' '.join(command[:3])} in the origin's pod", over, 300)
    if ended["exitCode"]:
        said = stage.cluster.do("logs", name, "-n", world.NAMESPACE, "-c", container)
        raise AssertionError(f"it failed with {ended['exitCode']}: {said[-2000:]}")


def with_container(pod: dict[str, Any], name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
    """The pod with one more ephemeral container, as walled in as its own, where the lake's files are to be written."""
    (origin,) = (one for one in pod["spec"]["containers"] if one["name"] == "origin")
    (data,) = (one["name"] for one in origin["volumeMounts"] if one["mountPath"] == "/data")
    container = {
        "name": name,
        "image": image,
        "command": ["tini", "--", *command],
        "securityContext": origin["securityContext"],
        "volumeMounts": [{"name": data, "mountPath": _LAKE}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = pod["spec"]
    return {**pod, "spec": {**spec, "ephemeralContainers": [*spec.get("ephemeralContainers", ()), container]}}
