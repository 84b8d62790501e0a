"""Documents in HashiCorp Vault's KV engine, version 2: `<mount>/<prefix>/<kind>/<vo>/<owner>`.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2. Vault encrypts what it keeps, with keys that are not in
the cluster, so documents are not sealed again. Each write says which version it replaces (`cas`); of each document one
version is kept, as an old one holds tokens that nobody should find; deleting one deletes its metadata, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from facility.broker.store import ConflictError, Content, Document, Kind, StoreError, UnreadableError, vo_of
from facility.broker.vault_client import VaultClient, VaultError
from facility.site import Vault

PARALLEL = 16  # requests at the same time when a VO is cleared


class VaultStore:
    """Reads and writes documents in Vault."""

    follows_people = False

    def __init__(self, client: VaultClient, vault: Vault) -> None:
        self._client = client
        self._data, self._metadata = (f"{vault.mount}/{part}/{vault.prefix}" for part in ("data", "metadata"))

    async def read(self, kind: Kind, owner: str) -> Document | None:
        """See Store."""
        try:
            answer = await self._client.ask("GET", f"{self._data}/{_path(kind, owner)}")
        except VaultError as error:
            if error.status == 404:
                return None
            raise
        found = answer.get("data") or {}
        content, version = found.get("data"), (found.get("metadata") or {}).get("version")
        if not isinstance(content, dict) or content.get("user") != owner:
            raise UnreadableError(f"what Vault keeps for {owner} is no document of theirs")
        return Document(content, str(version))

    async def write(self, kind: Kind, content: Content, version: str | None, uid: str | None = None) -> str:
        """See Store. `uid` is of no use here."""
        path = _path(kind, content["user"])
        body = {"options": {"cas": int(version or 0)}, "data": content}
        try:
            answer = await self._client.ask("POST", f"{self._data}/{path}", body)
        except VaultError as error:
            # 400: the version is another one; nothing else can be wrong with such a request
            raise ConflictError(str(error)) if error.status == 400 else error from None
        if version is None:
            await self._client.ask("POST", f"{self._metadata}/{path}", {"max_versions": 1, "cas_required": True})
        found = (answer.get("data") or {}).get("version")
        if not isinstance(found, int):
            raise StoreError("vault: its answer to a write has no version")
        return str(found)

    async def delete(self, kind: Kind, owner: str) -> None:
        """See Store."""
        try:
            await self._client.ask("DELETE", f"{self._metadata}/{_path(kind, owner)}")
        except VaultError as error:
            if error.status != 404:
                raise

    async def clear(self, kind: Kind, vo: str) -> None:
        """See Store."""
        few = asyncio.Semaphore(PARALLEL)

        async def one(owner: str) -> None:
            async with few:
                await self.delete(kind, owner)

        await asyncio.gather(*[one(owner) async for owner in self.owners(kind, vo)])

    async def owners(self, kind: Kind, vo: str) -> AsyncIterator[str]:
        """See Store."""
        try:
            answer = await self._client.ask("GET", f"{self._metadata}/{kind}/{vo}?list=true")
        except VaultError as error:
            if error.status != 404:  # there are none
                raise
            return
        for owner in (answer.get("data") or {}).get("keys") or []:
            yield str(owner)

    async def close(self) -> None:
        """See Store."""
        await self._client.close()


def _path(kind: Kind, owner: str) -> str:
    return f"{kind}/{vo_of(owner)}/{owner}"
