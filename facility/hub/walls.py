"""The last look at a pod before it is made: whatever configuration or profile made it, tokens stay where they belong.

The hub's configuration is held to the same at its start (facility.hub.guard); this also sees what is computed for each
spawn. Namespace, API server and broker have walls of their own: this one says in a sentence which rule was broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facility.hub.refusals import Refused

Json = Mapping[str, Any]
AGENT = "agent"
#: volume -> whether others than the agent may mount it to read
TOKENS = {"identity": False, "token": True}
SHARED = ("hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace")


def check(pod: Json) -> None:
    """Raises Refused (500: the site's configuration is at fault, not the person) with the first broken rule."""
    if broken := next(breaches(pod["spec"]), ""):
        raise Refused(
            f"This server would break a rule that keeps people's tokens apart: {broken}. "
            "Tell the facility's administrators.",
            reason="walls",
            status_code=500,
        )


def breaches(spec: Json) -> Iterator[str]:
    """What is wrong with a pod's spec."""
    if spec.get("automountServiceAccountToken") is not False:
        yield "it has a token of the API server"
    yield from (f"it sets {name}" for name in SHARED if spec.get(name))
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    if sum(one["name"] == AGENT for one in containers) != 1:
        yield "it has no agent, or two"
    for one in containers:
        yield from mounts(one)
    yield from (f"volume {one['name']} {why}" for one in spec.get("volumes") or () if (why := volume(one)))


def mounts(container: Json) -> Iterator[str]:
    """What a container mounts and may not."""
    if container["name"] == AGENT:
        return
    for mount in container.get("volumeMounts") or ():
        readable = TOKENS.get(mount["name"])
        if readable is False or (readable and not mount.get("readOnly")):
            yield f"container {container['name']} mounts volume {mount['name']}"
    if (container.get("securityContext") or {}).get("privileged"):
        yield f"container {container['name']} is privileged"


def volume(one: Json) -> str:
    """Why a pod may not have this volume; empty if it may."""
    if one["name"] in TOKENS:
        return ""
    if one.get("hostPath"):
        return "is of the node"
    sources = (one.get("projected") or {}).get("sources") or ()
    return "has a ServiceAccount's token" if any(source.get("serviceAccountToken") for source in sources) else ""
