"""What mirrors keep of objects: small, immutable, and equal as long as nothing has changed that the operator minds."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from sys import intern
from typing import Any, NamedTuple

from facility import names
from facility.operator.objects import TLS, Manifest, labels


class Built(NamedTuple):
    """An object that the operator has made: `print` differs once somebody has changed it, `going` once it goes."""

    print: bytes
    vo: str
    going: bool


def built(manifest: Manifest) -> Built:
    """From an object, or its metadata alone.

    Everybody's writes leave their trace in metadata.managedFields (Kubernetes, "Server-Side Apply"). What controllers
    write to a status is no change of what was made: a quota's use and a workload's replicas change all the time.
    """
    meta = manifest["metadata"]
    writers = [one for one in meta.get("managedFields") or () if one.get("subresource") != "status"]
    trace = [meta.get("uid"), meta.get("generation"), writers or meta["resourceVersion"]]
    going = bool(meta.get("deletionTimestamp"))
    return Built(_digest(trace), intern(labels(manifest).get(names.LABEL_VO, "")), going)


class Person(NamedTuple):
    """A FacilityUser; a malformed one is of no VO."""

    vo: str
    sub: str
    name: str
    uid: int | None
    created: str
    groups: tuple[str, ...] = ()
    suspended: str = ""

    def manifest(self, called: str) -> Manifest:
        """The object as far as the operator reads it."""
        who = {"vo": self.vo, "sub": self.sub, "name": self.name, "uid": self.uid}
        spec = who | {"jobsSuspended": self.suspended}
        meta = {"name": called, "creationTimestamp": self.created}
        return {"metadata": meta, "spec": spec, "status": {"groups": list(self.groups)}}


def person(manifest: Manifest) -> Person:
    """From a FacilityUser object."""
    spec = manifest.get("spec") or {}
    keys = ("vo", "sub", "name", "jobsSuspended")
    texts = [one if isinstance(one := spec.get(key), str) else "" for key in keys]
    uid = spec.get("uid")
    known = uid if isinstance(uid, int) else None
    listed = (manifest.get("status") or {}).get("groups") or ()
    groups = tuple(intern(one) for one in listed if isinstance(one, str) and one)
    created = manifest["metadata"].get("creationTimestamp", "")
    return Person(intern(texts[0]), texts[1], texts[2], known, created, groups, intern(texts[3]))


class Held(NamedTuple):
    """A Secret, without what is secret in it.

    keys: those that have a value; ours: whether it is a certificate that the operator has issued, which is then in
    `certificate`, PEM; vo: whose that is; version: of the object.
    """

    keys: frozenset[str]
    version: str
    ours: bool = False
    certificate: bytes = b""
    vo: str = ""


def held(manifest: Manifest) -> Held:
    """From a Secret."""
    data, version = manifest.get("data") or {}, manifest["metadata"]["resourceVersion"]
    marks = labels(manifest)
    if marks.get(names.LABEL_COMPONENT) == TLS:
        return Held(frozenset(), version, True, _decoded(data.get("tls.crt")), intern(marks.get(names.LABEL_VO, "")))
    return Held(frozenset(intern(key) for key, value in data.items() if _decoded(value).strip()), version)


class Pod(NamedTuple):
    """A pod of the operator's in the batch namespace.

    ended: seconds since the epoch at which its last container did; if nothing ever ran, at which it came to its node or
    was made; going: whether it is deleted already; made: when; shape: the annotation; retiring: whether it is to take
    no more jobs; unschedulable: whether no node has room for it; gated: since when something (Kueue) keeps it from
    being looked at, 0 when nothing does; stalled: why its container cannot be started, as the kubelet says, "" when it
    can; unready: since when it is not ready, 0 when it is: of a node that is lost nothing else is known for minutes;
    placed: since when it has a node, 0 while it has none.
    """

    vo: str
    owner: str
    phase: str
    ended: float
    going: bool
    made: float = 0.0
    shape: str = ""
    retiring: bool = False
    unschedulable: bool = False
    gated: float = 0.0
    stalled: str = ""
    unready: float = 0.0
    placed: float = 0.0

    @property
    def begun(self) -> float:
        """Since when it could start: it may have waited for a node for long."""
        return max(self.placed, self.made)


def pod(manifest: Manifest) -> Pod:
    """From a Pod."""
    marks, status = labels(manifest), manifest.get("status") or {}
    vo, phase = intern(marks.get(names.LABEL_VO, "")), intern(str(status.get("phase", "")))
    going = bool(manifest["metadata"].get("deletionTimestamp"))
    made = datetime.fromisoformat(manifest["metadata"]["creationTimestamp"]).timestamp()
    notes = manifest["metadata"].get("annotations") or {}
    shape, retiring = intern(notes.get(names.ANNOTATION_SHAPE, "")), bool(notes.get(names.ANNOTATION_RETIRE))
    conditions = (status.get("conditions") or ()) if phase == "Pending" else ()
    gated = max((_since(one) for one in conditions if _unplaced(one, "SchedulingGated")), default=0.0)
    placed = _placed(status) or made if (manifest.get("spec") or {}).get("nodeName") else 0.0
    ended = max(*_times(manifest, status.get("containerStatuses") or ()), placed)
    unready = max((_unready(one) for one in status.get("conditions") or ()), default=0.0)
    return Pod(
        vo,
        marks.get(names.LABEL_OWNER, ""),
        phase,
        ended,
        going,
        made,
        shape,
        retiring,
        unschedulable=any(_unplaced(one, "Unschedulable") for one in conditions),
        gated=gated,
        stalled=next((why for one in status.get("containerStatuses") or () if (why := _stalled(one))), ""),
        unready=unready,
        placed=placed,
    )


def without_trace(manifest: Manifest) -> Manifest:
    """An object that is kept whole, without the record of who has written it."""
    meta = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": meta}


def vo_of(dataset: Manifest) -> str:
    """Whose a CachedDataset is, which may be wrong in every way."""
    vo = (dataset.get("spec") or {}).get("vo")
    return vo if isinstance(vo, str) else ""


def reason_of(dataset: Manifest) -> str:
    """Why it is Ready, or is not."""
    conditions = (dataset.get("status") or {}).get("conditions") or ()
    return next((str(one.get("reason")) for one in conditions if one.get("type") == "Ready"), "")


def _unplaced(condition: dict[str, Any], reason: str) -> bool:
    """Kubernetes, "Pod Lifecycle": PodScheduled is False with this reason."""
    false = condition.get("type") == "PodScheduled" and condition.get("status") == "False"
    return false and condition.get("reason") == reason


def _placed(status: dict[str, Any]) -> float:
    """Since when PodScheduled is True; 0 where the status does not say it yet."""
    said = [one for one in status.get("conditions") or () if one.get("type") == "PodScheduled"]
    return max((_since(one) for one in said if one.get("status") == "True"), default=0.0)


def _stalled(status: dict[str, Any]) -> str:
    """What the kubelet says of a container that it cannot start; "" while it has only not come to that."""
    why = str(((status.get("state") or {}).get("waiting") or {}).get("reason", ""))
    return intern(why) if why not in ("", "ContainerCreating", "PodInitializing") else ""


def _unready(condition: dict[str, Any]) -> float:
    false = condition.get("type") == "Ready" and condition.get("status") != "True"
    return _since(condition) if false else 0.0


def _since(condition: dict[str, Any]) -> float:
    since = condition.get("lastTransitionTime")
    return datetime.fromisoformat(since).timestamp() if since else 0.0


def _times(manifest: Manifest, states: Iterable[dict[str, Any]]) -> list[float]:
    ends = [one["state"]["terminated"].get("finishedAt") for one in states if one.get("state", {}).get("terminated")]
    texts = [text for text in ends if text] or [manifest["metadata"]["creationTimestamp"]]
    return [datetime.fromisoformat(text).timestamp() for text in texts]


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(value) if isinstance(value, str) else b""
    except binascii.Error:
        return b""


def _digest(value: object) -> bytes:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=12).digest()
