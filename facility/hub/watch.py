"""Follows the VirtualOrganization objects, so that adding a VO restarts nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any

from kubernetes_asyncio.client.exceptions import ApiException
from pydantic import ValidationError

from facility import names
from facility.hub.cluster import Cluster
from facility.vo import VirtualOrganization

VOs = dict[str, VirtualOrganization]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between attempts while the API server does not answer


class Watcher:
    """Calls `changed` with all usable VOs by name, at the start and whenever one has come, changed or gone."""

    def __init__(self, cluster: Cluster, changed: Callable[[VOs], None], log: logging.Logger) -> None:
        self._cluster = cluster
        self._changed = changed
        self._log = log
        self._known: VOs = {}
        self._pause = _FIRST_PAUSE
        #: set once the first list has been read: before that an unknown VO may only be unknown yet
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """For ever; whatever the API server does, list and watch begin again."""
        while True:
            try:
                await self._follow()
            except (ApiException, OSError, TimeoutError, ValueError) as error:
                self._log.warning("Watching VOs: %s %s", type(error).__name__, getattr(error, "status", "") or "")
                await asyncio.sleep(self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def _follow(self) -> None:
        objects, version = await self._cluster.virtual_organizations()
        self._known = {vo.name: vo for one in objects if (vo := self._parsed(one))}
        self._tell()
        self.synced.set()
        self._pause = _FIRST_PAUSE
        async with aclosing(self._cluster.changes(version)) as changes:  # type: ignore[type-var]
            async for kind, one in changes:
                self._take(kind, one)

    def _take(self, kind: str, one: dict[str, Any]) -> None:
        self._known.pop(one["metadata"]["name"], None)
        if kind != "DELETED" and (vo := self._parsed(one)):
            self._known[vo.name] = vo
        self._tell()

    def _tell(self) -> None:
        usable, doubles = one_per_issuer(self._known.values())
        for vo in doubles:
            self._log.warning("VO %s is left out: an older one has the issuer %s", vo.name, vo.spec.issuer)
        self._changed(usable)

    def _parsed(self, one: dict[str, Any]) -> VirtualOrganization | None:
        """One bad object must not keep the others from being seen."""
        try:
            return VirtualOrganization.parse(one)
        except (ValidationError, names.BadNameError, KeyError, TypeError) as error:
            name = (one.get("metadata") or {}).get("name", "without a name")
            self._log.warning("VO %s is left out: %s", name, error)
            return None


def one_per_issuer(vos: Iterable[VirtualOrganization]) -> tuple[VOs, list[VirtualOrganization]]:
    """The VOs by name, of those with the same issuer only the oldest; and those left out.

    An issuer is one VO (WLCG profile): under a second name the same people would become other users.
    """
    owners: dict[str, VirtualOrganization] = {}
    doubles = []
    for vo in sorted(vos, key=lambda vo: (vo.created, vo.name)):
        if owners.setdefault(vo.spec.issuer.rstrip("/"), vo) is not vo:
            doubles.append(vo)
    return {vo.name: vo for vo in owners.values()}, doubles
