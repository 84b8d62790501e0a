"""Sessions as Kubernetes Secrets: one `session-<hub user>` each, sealed, in the facility's namespace.

The Secret belongs to the person's FacilityUser object, so that deleting the person deletes the session.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from facility import names
from facility.broker.sealing import KeysError, Seal, SealError
from facility.kubernetes import ApiError, Json, Kubernetes

COMPONENT = f"{names.API_GROUP}/component"
MANAGER = "facility-broker"
PREFIX = "session-"
PAGE = 500  # records in one answer of the API server


class StoreError(Exception):
    """A session could not be read or written; try again later."""


class UnreadableError(Exception):
    """There is a session, but nobody can open it any more."""


@dataclass(frozen=True)
class Record:
    """What is kept of a session. Issuer and client are those that gave the refresh token; it is shown to no other."""

    user: str
    vo: str
    issuer: str
    client: str
    sub: str
    scopes: tuple[str, ...]
    refresh_token: str = field(repr=False)
    state: Literal["good", "dead"] = "good"
    reason: str = "SignedIn"
    #: as the issuer asserts them, and when it said so (seconds since the epoch); None: not known
    groups: tuple[str, ...] | None = None
    groups_at: float = 0.0


class SecretStore:
    """Reads and writes records. There is one broker, so the last write is the right one."""

    def __init__(self, kubernetes: Kubernetes, namespace: str, seal: Seal) -> None:
        self._kubernetes = kubernetes
        self._collection = f"/api/v1/namespaces/{namespace}/secrets"
        self._seal = seal

    async def read(self, user: str) -> Record | None:
        """The record of a user, None when there is none. Raises StoreError, UnreadableError."""
        try:
            record = self._open(await self._kubernetes.get(self._path(user)))
        except ApiError as error:
            if error.status == 404:
                return None
            raise StoreError(str(error)) from None
        except KeysError as error:
            raise StoreError(str(error)) from None
        if record.user != user:
            raise UnreadableError(f"the session of {user} is somebody else's")
        return record

    async def write(self, record: Record, person_uid: str | None = None) -> None:
        """Writes the record; `person_uid` is the uid of the FacilityUser it belongs to. Raises StoreError."""
        try:
            secret = self._manifest(record, person_uid)
            await self._patch_or_create(record.user, secret)
        except (ApiError, KeysError) as error:
            raise StoreError(str(error)) from None

    async def _patch_or_create(self, user: str, secret: Json) -> None:
        try:
            await self._kubernetes.patch(self._path(user), secret)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._kubernetes.post(self._collection, secret)

    async def delete(self, user: str) -> None:
        """Deletes a user's record, if there is one. Raises StoreError."""
        try:
            await self._kubernetes.delete(self._path(user))
        except ApiError as error:
            raise StoreError(str(error)) from None

    async def users(self, vo: str) -> list[str]:
        """All users of a VO who have a record, up to a page of them at a time. Raises StoreError."""
        selector = f"{COMPONENT}=session,{names.LABEL_VO}={vo}"
        try:
            found = await self._kubernetes.get(self._collection, [("labelSelector", selector), ("limit", str(PAGE))])
        except ApiError as error:
            raise StoreError(str(error)) from None
        called = [str(item["metadata"]["name"]) for item in found.get("items") or []]
        return [name.removeprefix(PREFIX) for name in called if name.startswith(PREFIX)]

    def _path(self, user: str) -> str:
        return f"{self._collection}/{PREFIX}{user}"

    def _open(self, secret: Json) -> Record:
        try:
            key, sealed = (b64decode(secret["data"][name]) for name in ("key", "record"))
            value = json.loads(self._seal.open(key, sealed))
            known = {one.name for one in fields(Record)}
            lists = {k: tuple(value[k]) for k in ("scopes", "groups") if value.get(k) is not None}
            record = Record(**{**{k: v for k, v in value.items() if k in known}, **lists})
        except (KeyError, TypeError, ValueError, SealError):
            raise UnreadableError("the stored session cannot be opened") from None
        return record

    def _manifest(self, record: Record, person_uid: str | None) -> Json:
        key, sealed = self._seal.seal(json.dumps(asdict(record)).encode())
        labels = {COMPONENT: "session", names.LABEL_MANAGED_BY: MANAGER, names.LABEL_VO: record.vo}
        meta: Json = {"name": f"{PREFIX}{record.user}", "labels": labels}
        if person_uid is not None:
            meta["ownerReferences"] = [_owner(record.user, person_uid)]
        data = {"key": b64encode(key).decode(), "record": b64encode(sealed).decode()}
        return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": data}


def _owner(user: str, uid: str) -> Json:
    return {
        "apiVersion": f"{names.API_GROUP}/{names.API_VERSION}",
        "kind": "FacilityUser",
        "name": user,
        "uid": uid,
    }
