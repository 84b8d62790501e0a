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

    def manifest(self, called: str) -> Manifest:
        """The object as far as the operator reads it."""
        spec = {"vo": self.vo, "sub": self.sub, "name": self.name, "uid": self.uid}
        return {"metadata": {"name": called, "creationTimestamp": self.created}, "spec": spec}


def person(manifest: Manifest) -> Person:
    """From a FacilityUser object."""
    spec = manifest.get("spec") or {}
    texts = [one if isinstance(one := spec.get(key), str) else "" for key in ("vo", "sub", "name")]
    uid = spec.get("uid")
    known = uid if isinstance(uid, int) else None
    return Person(intern(texts[0]), texts[1], texts[2], known, manifest["metadata"].get("creationTimestamp", ""))


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

    ended: seconds since the epoch at which its last container did; at which it was made, if nothing ever ran in it;
    going: whether it is deleted already.
    """

    vo: str
    owner: str
    phase: str
    ended: float
    going: bool


def pod(manifest: Manifest) -> Pod:
    """From a Pod."""
    marks, status = labels(manifest), manifest.get("status") or {}
    ended = max(_times(manifest, status.get("containerStatuses") or ()))
    vo, phase = intern(marks.get(names.LABEL_VO, "")), intern(str(status.get("phase", "")))
    going = bool(manifest["metadata"].get("deletionTimestamp"))
    return Pod(vo, marks.get(names.LABEL_OWNER, ""), phase, ended, going)


def virtual_organization(manifest: Manifest) -> Manifest:
    """A VirtualOrganization, without the record of who has written it."""
    meta = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": meta}


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
