"""Documents as Kubernetes Secrets: `session-<hub user>` and `tokens-<hub user or VO>`, sealed, in the facility's
namespace.

A person's Secrets belong to their FacilityUser object, so that deleting the person deletes them. A write names the
`resourceVersion` that it replaces, and the API server refuses it when there is another.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator

from facility import names
from facility.broker.sealing import KeysError, Seal, Sealed, SealError
from facility.broker.store import (
    ConflictError,
    Content,
    Document,
    Kind,
    LockedError,
    StoreError,
    UnreadableError,
    vo_of,
)
from facility.kubernetes import ApiError, Json, Kubernetes

MANAGER = "facility-broker"
PAGE = 500  # documents in one answer of the API server


class SecretStore:
    """Reads and writes documents as Secrets."""

    follows_people = True

    def __init__(self, kubernetes: Kubernetes, namespace: str, seal: Seal) -> None:
        self._kubernetes = kubernetes
        self._collection = f"/api/v1/namespaces/{namespace}/secrets"
        self._seal = seal

    async def read(self, kind: Kind, owner: str) -> Document | None:
        """See Store."""
        try:
            secret = await self._kubernetes.get(self._path(kind, owner))
        except ApiError as error:
            if error.status == 404:
                return None
            raise StoreError(str(error)) from None
        return self._open(secret, owner)

    async def write(self, kind: Kind, content: Content, version: str | None, uid: str | None = None) -> str:
        """See Store."""
        try:
            secret = manifest(kind, content["user"], self._seal.seal(json.dumps(content).encode()), uid)
            if version is None:
                return _version(await self._kubernetes.post(self._collection, secret))
            secret["metadata"]["resourceVersion"] = version
            return _version(await self._kubernetes.patch(self._path(kind, content["user"]), secret))
        except KeysError as error:
            raise StoreError(str(error)) from None
        except ApiError as error:
            # 404: somebody has removed what was to be replaced
            raise (ConflictError if error.status in (404, 409) else StoreError)(str(error)) from None

    async def delete(self, kind: Kind, owner: str) -> None:
        """See Store."""
        try:
            await self._kubernetes.delete(self._path(kind, owner))
        except ApiError as error:
            raise StoreError(str(error)) from None

    async def clear(self, kind: Kind, vo: str) -> None:
        """See Store: one request, however many there are."""
        try:
            await self._kubernetes.delete(self._collection, [("labelSelector", _selector(kind, vo))])
        except ApiError as error:
            raise StoreError(str(error)) from None

    async def owners(self, kind: Kind, vo: str) -> AsyncIterator[str]:
        """See Store."""
        async for secret in self.all(kind, vo):
            yield str(secret["metadata"]["name"]).removeprefix(f"{kind}-")

    async def all(self, kind: Kind, vo: str | None = None) -> AsyncIterator[Json]:
        """All Secrets of a kind, sealed as they are, in pages. Raises StoreError."""
        page = ""
        while True:
            query = [("labelSelector", _selector(kind, vo)), ("limit", str(PAGE))]
            try:
                found = await self._kubernetes.get(self._collection, [*query, ("continue", page)] if page else query)
            except ApiError as error:
                raise StoreError(str(error)) from None
            for secret in found.get("items") or []:
                yield secret
            page = (found.get("metadata") or {}).get("continue") or ""
            if not page:
                return

    async def close(self) -> None:
        """Nothing is held open here."""

    async def reseal(self, secret: Json) -> bool:
        """Whether a Secret that was listed had to be sealed anew, with the key in use.

        Raises:
            ConflictError: it has been written or removed since it was listed.
            UnreadableError: no key opens it; StoreError.
        """
        meta = secret["metadata"]
        try:
            if key_of(secret) == self._seal.current():
                return False
            fresh = self._seal.seal(self._seal.open(_sealed(secret)))
        except KeysError as error:
            raise StoreError(str(error)) from None
        except (KeyError, TypeError, ValueError, SealError):
            raise UnreadableError("no key at hand opens it") from None
        body = {
            "metadata": {"resourceVersion": meta["resourceVersion"], "annotations": {names.ANNOTATION_KEY: fresh.name}}
        }
        try:
            await self._kubernetes.patch(f"{self._collection}/{meta['name']}", body | {"data": _data(fresh)})
        except ApiError as error:
            raise (ConflictError if error.status in (404, 409) else StoreError)(str(error)) from None
        return True

    def _path(self, kind: Kind, owner: str) -> str:
        return f"{self._collection}/{kind}-{owner}"

    def _open(self, secret: Json, owner: str) -> Document:
        try:
            content = json.loads(self._seal.open(_sealed(secret)))
        except KeysError as error:
            raise LockedError(str(error)) from None
        except (KeyError, TypeError, ValueError, Base64Error, SealError):
            raise UnreadableError(f"what is stored for {owner} cannot be opened") from None
        if not isinstance(content, dict) or content.get("user") != owner:
            raise UnreadableError(f"what is stored for {owner} is somebody else's")
        return Document(content, _version(secret))


def manifest(kind: Kind, owner: str, sealed: Sealed, uid: str | None) -> Json:
    """The Secret of a sealed document."""
    labels = {names.LABEL_STORED: str(kind), names.LABEL_MANAGED_BY: MANAGER, names.LABEL_VO: vo_of(owner)}
    meta: Json = {"name": f"{kind}-{owner}", "labels": labels, "annotations": {names.ANNOTATION_KEY: sealed.name}}
    if uid is not None:
        group = f"{names.API_GROUP}/{names.API_VERSION}"
        meta["ownerReferences"] = [{"apiVersion": group, "kind": "FacilityUser", "name": owner, "uid": uid}]
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": _data(sealed)}


def key_of(secret: Json) -> str:
    """The name of the key that a Secret was sealed with, "" when it does not say."""
    return str((secret["metadata"].get("annotations") or {}).get(names.ANNOTATION_KEY, ""))


def _data(sealed: Sealed) -> Json:
    return {"key": b64encode(sealed.key).decode(), "record": b64encode(sealed.record).decode()}


def _sealed(secret: Json) -> Sealed:
    key, record = (b64decode(secret["data"][name]) for name in ("key", "record"))
    return Sealed(key_of(secret), key, record)


def _version(secret: Json) -> str:
    return str(secret["metadata"]["resourceVersion"])


def _selector(kind: Kind, vo: str | None) -> str:
    return f"{names.LABEL_STORED}={kind}" + (f",{names.LABEL_VO}={vo}" if vo else "")
