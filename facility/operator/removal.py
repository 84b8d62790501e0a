"""How a VO goes: its object stays, closed, until nothing of its people's is left running, and never beyond a deadline.

The broker ends sessions, the hub ends servers, the operator ends execute pods. The operator's finalizer gives them the
time, and takes itself away when they are done or when the time is over: an issuer that is gone for good, or a part of
the facility that is away, must never hold up `kubectl delete`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from facility import names
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import POD, SECRET, Manifest
from facility.operator.validate import READY, Problem, ValidatedVO, Verdict
from facility.site import Site
from facility.vo import Removal, VirtualOrganization

_SESSIONS = f"{names.API_GROUP}/component=session"
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Left:
    """What is left of a VO: names of session Secrets, of execute pods, and of user pods that must stop."""

    sessions: tuple[str, ...] = ()
    execute_pods: tuple[str, ...] = ()
    user_pods: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sessions or self.execute_pods or self.user_pods)

    def __str__(self) -> str:
        """As a person reads it: `2 sessions, 1 execute pod`."""
        counted = ((self.sessions, "session"), (self.execute_pods, "execute pod"), (self.user_pods, "notebook server"))
        told = [f"{len(found)} {what}{'' if len(found) == 1 else 's'}" for found, what in counted if found]
        return ", ".join(told) or "nothing"


@dataclass(frozen=True)
class Step:
    """What to do about a VO that is being removed.

    release: take the finalizer away; left: what there was; message: the sentence for its status, or for the event that
    tells what was left undone; kind: of that event, as Kubernetes has them.
    """

    release: bool
    left: Left
    message: str
    kind: Literal["Normal", "Warning"] = "Normal"

    @property
    def problem(self) -> Problem:
        """As status.status takes it."""
        return Problem(READY, "Removing", self.message)


def deleting(manifest: Manifest) -> bool:
    """Whether somebody has deleted the object, and only finalizers keep it."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def held(manifest: Manifest) -> bool:
    """Whether it has the operator's finalizer."""
    return names.FINALIZER in (manifest["metadata"].get("finalizers") or ())


def needs_finalizer(manifest: Manifest, verdict: Verdict) -> bool:
    """Whether the finalizer is to be put on: before anything of a VO is built, and never when it is going already."""
    return isinstance(verdict, ValidatedVO) and not deleting(manifest) and not held(manifest)


def patch(manifest: Manifest, put: bool) -> Manifest:
    """JSON merge patch that puts the finalizer on or takes it away, others' left; a conflict if they have changed."""
    meta = manifest["metadata"]
    others = [one for one in meta.get("finalizers") or () if one != names.FINALIZER]
    wanted = [*others, names.FINALIZER] if put else others
    return {"metadata": {"finalizers": wanted, "resourceVersion": meta["resourceVersion"]}}


async def look(cluster: Cluster, site: Site, manifest: Manifest, now: float) -> Step:
    """What to do now about an object that is being deleted and has the finalizer.

    Raises:
        ClusterError: the API server did not say what is left. Past the deadline that holds up nothing any more.
    """
    removal = policy(manifest)
    if removal is None:
        return Step(True, Left(), "the object cannot be read: it goes at once, and nothing is waited for", "Warning")
    try:
        return step(manifest, await left(cluster, site, manifest["metadata"]["name"], removal), site, now)
    except ClusterError as error:
        if now < _deadline(manifest, site):
            raise
        return Step(True, Left(), f"it goes, and what is left of it could not be found out: {error}", "Warning")


def step(manifest: Manifest, left: Left, site: Site, now: float) -> Step:
    """The decision. Pure; `now` in seconds since the epoch."""
    if not left:
        return Step(True, left, "all sessions are ended and all pods stopped: the object goes")
    seconds = site.removal_deadline
    if now >= _deadline(manifest, site):
        return Step(True, left, f"it goes after {seconds} s, although there is still: {left}{_advice(left)}", "Warning")
    return Step(False, left, f"the VO is being removed; waiting, at most {seconds} s, for: {left}")


def _advice(left: Left) -> str:
    """What an administrator may have to do by hand."""
    todo = []
    if left.sessions:
        todo.append("end this facility's client at the issuer, for refresh tokens may not have been revoked")
    if left.execute_pods or left.user_pods:
        todo.append("delete the pods, which have no tokens any more")
    return f"; {'; '.join(todo)}" if todo else ""


def _deadline(manifest: Manifest, site: Site) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(manifest["metadata"]["deletionTimestamp"]).timestamp() + site.removal_deadline


def policy(manifest: Manifest) -> Removal | None:
    """What the VO says of its end; None for an object that cannot be read."""
    try:
        return VirtualOrganization.parse(manifest).spec.removal
    except (ValidationError, names.BadNameError):
        return None


async def left(cluster: Cluster, site: Site, vo: str, removal: Removal) -> Left:
    """Ask the API server what is left of a VO. Raises ClusterError."""
    spaces, of_vo = site.namespaces, f"{names.LABEL_VO}={vo}"
    sessions = await cluster.list(SECRET, spaces.facility, f"{_SESSIONS},{of_vo}", metadata_only=True)
    execute = await cluster.list(POD, spaces.batch, f"{names.LABEL_COMPONENT}=execute,{of_vo}")
    servers: list[Manifest] = []
    if removal.servers == "Stop":
        servers = await cluster.list(POD, spaces.users, f"{names.LABEL_COMPONENT}=notebook,{of_vo}")
    return Left(_names(sessions), _names(execute), _names(servers))


def _names(found: list[Manifest]) -> tuple[str, ...]:
    """Of what has not ended, sorted."""
    alive = (one for one in found if (one.get("status") or {}).get("phase") not in _ENDED)
    return tuple(sorted(one["metadata"]["name"] for one in alive))
