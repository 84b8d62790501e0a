"""Why a pod does not work, as a sentence with what to do, out of what Kubernetes says of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from facility.inspection.facts import Json, condition, seconds

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_UNMADE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_PULL = "see whether the image is in the registry, and whether the nodes may pull it"
_ROOM = "add nodes or lower requests; requests of all pods: kubectl describe nodes"
_BOUND = "give the cluster a default StorageClass, or name one: kubectl get storageclass,pvc -A"
_MEMORY = "raise the memory limit, or ask what its work needs"
#: seconds in which a container's end for lack of memory is news
_NEWS = 3600
#: seconds beyond its grace that a deleted pod may take
_GOING = 300


class Trouble(NamedTuple):
    """Empty texts when there is none."""

    sentence: str
    todo: str = ""


NONE = Trouble("")


def trouble(pod: Json, now: float) -> Trouble:
    """What keeps a pod from its work, the first cause found."""
    causes = (_ended(pod), *map(_waits, _containers(pod)), _unplaced(pod), _stays(pod, now))
    found = next((one for one in causes if one.sentence), None)
    return found or next(filter(None, (_short(one, now) for one in _containers(pod))), NONE)


def _containers(pod: Json) -> list[Json]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _ended(pod: Json) -> Trouble:
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return NONE
    if reason := status.get("reason"):
        return Trouble(f"it was ended: {reason}: {status.get('message') or 'no message'}".rstrip("."))
    return next(filter(None, map(_exit, _containers(pod))), Trouble("it has failed"))


def _exit(container: Json) -> Trouble | None:
    last = (container.get("state") or {}).get("terminated") or {}
    if last.get("reason") == "OOMKilled":
        return Trouble(f"container {container['name']} was ended for lack of memory", _MEMORY)
    if not last.get("exitCode"):
        return None
    said = f": {last['message']}" if last.get("message") else ""
    return Trouble(f"container {container['name']} ended with {last['exitCode']}{said}", "see its log")


def _waits(container: Json) -> Trouble:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, called = waiting.get("reason"), container["name"]
    if reason in _IMAGE:
        return Trouble(f"image {container.get('image')} cannot be pulled ({reason})", _PULL)
    if reason in _UNMADE:
        return Trouble(
            f"container {called} cannot be started: {waiting.get('message') or reason}", "see what is missing"
        )
    if reason != "CrashLoopBackOff":
        return NONE
    last = (container.get("lastState") or {}).get("terminated") or {}
    if last.get("reason") == "OOMKilled":
        return Trouble(f"container {called} is ended again and again for lack of memory", _MEMORY)
    return Trouble(f"container {called} ends again and again (last with {last.get('exitCode')})", "see its log")


def _unplaced(pod: Json) -> Trouble:
    placed = condition(pod, "PodScheduled")
    if placed.get("status") != "False":
        return NONE
    message = str(placed.get("message", "")).rstrip(".")
    todo = _BOUND if "PersistentVolumeClaim" in message else _ROOM
    return Trouble(f"no node takes it: {message}", todo)


def _stays(pod: Json, now: float) -> Trouble:
    meta = pod["metadata"]
    # the time of deletion is when its grace is over
    since = now - seconds(meta.get("deletionTimestamp")) if meta.get("deletionTimestamp") else 0.0
    if since < _GOING:
        return NONE
    return Trouble(f"it should have gone {since:.0f} s ago", "see whether its node is still there")


def _short(container: Json, now: float) -> Trouble | None:
    last = (container.get("lastState") or {}).get("terminated") or {}
    if last.get("reason") != "OOMKilled" or now - seconds(last.get("finishedAt")) > _NEWS:
        return None
    return Trouble(f"container {container['name']} was ended for lack of memory within the last hour", _MEMORY)


def grouped(pods: Iterable[Json], now: float) -> dict[Trouble, list[str]]:
    """Names of pods by their trouble; those without any are left out."""
    found: dict[Trouble, list[str]] = {}
    for pod in pods:
        if (one := trouble(pod, now)).sentence:
            found.setdefault(one, []).append(pod["metadata"]["name"])
    return found
