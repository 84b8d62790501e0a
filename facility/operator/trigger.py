"""When to reconcile: soon after something has changed, once for many changes, and every so often without any."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from facility.operator.objects import Manifest


class Trigger:
    """Wakes the one loop that reconciles."""

    def __init__(self, resync: float = 20, quiet: float = 0.3) -> None:
        """`resync`: seconds without a change after which to look all the same; `quiet`: to wait for further changes."""
        self._resync, self._quiet = resync, quiet
        self._event = asyncio.Event()
        self._seen: dict[Hashable, Hashable] = {}

    def poke(self) -> None:
        """Something has changed."""
        self._event.set()

    def observe(self, kind: str | None, manifest: Manifest) -> None:
        """An event of a watch. What changes only an object's status is no change: the operator writes it itself."""
        meta = manifest["metadata"]
        uid, version = meta.get("uid"), meta.get("generation") or meta.get("resourceVersion")
        if kind == "DELETED":
            self._seen.pop(uid, None)
        elif self._seen.get(uid) == version:
            return
        else:
            self._seen[uid] = version
        self.poke()

    async def wait(self) -> None:
        """Until it is time to reconcile."""
        try:
            await asyncio.wait_for(self._event.wait(), self._resync)
            await asyncio.sleep(self._quiet)
        except TimeoutError:
            pass
        self._event.clear()
