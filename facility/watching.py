"""Keeps an eye on one kind of object: list, then watch, then list again, for as long as the process runs.

Every list says what is gone as well as what is there, so whatever a broken watch has missed is made good by the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from facility.kubernetes import ApiError, Json, Kubernetes

log = logging.getLogger(__name__)
PERIOD = 240  # seconds of one watch, after which everything is listed anew
BREATH = 0.2  # seconds between a watch and the next list, should watches end at once
LONGEST_PAUSE = 30.0  # seconds between tries while the API server is away


class Mirror:
    """Tells `changed` of every object that is new or different, and `removed` of every name that has gone.

    `synced` is set once the first list has been told.
    """

    def __init__(
        self,
        kubernetes: Kubernetes,
        path: str,
        changed: Callable[[Json], None],
        removed: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        logger: logging.Logger = log,
    ) -> None:
        self.synced = asyncio.Event()
        self._kubernetes = kubernetes
        self._path = path
        self._changed = changed
        self._removed = removed
        self._sleep = sleep
        self._log = logger
        self._versions: dict[str, str] = {}

    async def run(self) -> None:
        """Runs until cancelled. Whatever goes wrong is made good by listing again."""
        pause = 1.0
        while True:
            try:
                await self._list_and_watch()
                pause = 1.0
                await self._sleep(BREATH)
            except (ApiError, LookupError, TypeError, AttributeError, ValueError) as error:
                what = error if isinstance(error, ApiError) else type(error).__name__
                self._log.warning("watch of %s: %s; again in %.0f s", self._path, what, pause)
                await self._sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _list_and_watch(self) -> None:
        version = await self._list()
        async for event in self._kubernetes.watch(self._path, version, PERIOD):
            if not self._tell(event):
                break

    async def _list(self) -> str:
        answer = await self._kubernetes.get(self._path)
        objects = {item["metadata"]["name"]: item for item in answer.get("items", [])}
        for name in self._versions.keys() - objects.keys():
            self._forget(name)
        for item in objects.values():
            self._note(item)
        self.synced.set()
        return str(answer.get("metadata", {}).get("resourceVersion", ""))

    def _tell(self, event: Json) -> bool:
        """Passes one event on; False when the watch is over (the version is too old, say)."""
        item = event.get("object", {})
        if event.get("type") in ("ADDED", "MODIFIED"):
            self._note(item)
        elif event.get("type") == "DELETED":
            self._forget(item["metadata"]["name"])
        else:
            return event.get("type") == "BOOKMARK"
        return True

    def _note(self, item: Json) -> None:
        name, version = item["metadata"]["name"], item["metadata"].get("resourceVersion", "")
        if self._versions.get(name) != version:
            self._versions[name] = version
            self._changed(item)

    def _forget(self, name: str) -> None:
        if self._versions.pop(name, None) is not None:
            self._removed(name)
