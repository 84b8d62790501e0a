"""What the operator knows of the objects of one kind, kept up to date by a watch and reduced to what it needs of them.

Lists come in pages, and each object is reduced as it comes: ten thousand of them are never in memory whole. A watch
goes on where the last one ended, so that neither its regular end nor an API server that is away for a while makes
everything be listed again; only a version too old to go on from does.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from facility.operator.cluster import Cluster, ClusterError, GoneError
from facility.operator.objects import Kind, Manifest

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
_FIRST, _LONGEST = 1.0, 30.0  # seconds between tries while the API server is away


class Watched(NamedTuple):
    """Which objects: of a kind, in a namespace, with these labels; without their content if that is not needed."""

    kind: Kind
    namespace: str
    selector: str = ""
    metadata_only: bool = False

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.namespace}".strip()


class Mirror(Mapping[str, T], Generic[T]):
    """By name, what `reduce` makes of each object.

    `changed` is told (name, before, after, own) whenever that is another than before; None: there is no such object;
    own: it is the answer to a write of the operator. `restarted` is told when a watch ended otherwise than in order.
    """

    def __init__(
        self,
        cluster: Cluster,
        watched: Watched,
        reduce: Callable[[Manifest], T],
        changed: Callable[[str, T | None, T | None, bool], None] = lambda _name, _before, _after, _own: None,
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster, self._watched, self._reduce = cluster, watched, reduce
        self._changed, self._restarted = changed, restarted
        self._known: dict[str, tuple[int, T]] = {}
        self._version = ""

    def __getitem__(self, name: str) -> T:
        return self._known[name][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def refresh(self) -> None:
        """List everything. Raises ClusterError."""
        found: set[str] = set()
        what, version = self._watched, 0
        async for page in self._cluster.pages(what.kind, what.namespace, what.selector, what.metadata_only):
            version = int(page[1])
            for manifest in page[0]:
                found.add(manifest["metadata"]["name"])
                self.note(manifest)
        for name in self._known.keys() - found:
            self._forget(name, version)
        self._version = str(version)

    async def run(self) -> None:
        """Follow what happens, until cancelled. `refresh` has been called once before."""
        pause = _FIRST
        while True:
            try:
                if not self._version:
                    await self.refresh()
                await self._watch()
                pause = _FIRST
            except (ClusterError, LookupError, TypeError, ValueError) as error:
                self._broken(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spread, not secrecy
                pause = min(2 * pause, _LONGEST)

    def version(self, name: str) -> str:
        """The object's resourceVersion. Raises KeyError."""
        return str(self._known[name][0])

    def note(self, manifest: Manifest, own: bool = False) -> None:
        """An object as it is now, from a list, a watch, or the answer to a write; an older one is no news."""
        meta = manifest["metadata"]
        name, version = meta["name"], int(meta["resourceVersion"])
        before = self._known.get(name)
        if before and before[0] >= version:
            return
        after = self._reduce(manifest)
        self._known[name] = version, after
        if not before or before[1] != after:
            self._changed(name, before[1] if before else None, after, own)

    async def _watch(self) -> None:
        kind, namespace, selector, metadata_only = self._watched
        async for event in self._cluster.watch(kind, namespace, self._version, selector, metadata_only):
            manifest = event["object"]
            version = manifest["metadata"]["resourceVersion"]
            if event["type"] in ("ADDED", "MODIFIED"):
                self.note(manifest)
            elif event["type"] == "DELETED":
                self.forget(manifest)
            self._version = version

    def forget(self, manifest: Manifest) -> None:
        """An object as it was last, from a watch, or the answer to what ended it."""
        self._forget(manifest["metadata"]["name"], int(manifest["metadata"]["resourceVersion"]))

    def _forget(self, name: str, version: int) -> None:
        """It went at that version; one of the same name may have come since."""
        if name in self._known and self._known[name][0] <= version:
            self._changed(name, self._known.pop(name)[1], None, False)

    def _broken(self, error: Exception) -> None:
        """A version too old to go on from, like an answer that is not one of an API server, makes all be listed."""
        if isinstance(error, GoneError) or not isinstance(error, ClusterError):
            self._version = ""
        _LOG.info("watch of %s: %s", self._watched, error if isinstance(error, ClusterError) else type(error).__name__)
        self._restarted()
