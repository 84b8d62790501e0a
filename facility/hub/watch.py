"""Follows the VirtualOrganization objects, so that adding a VO restarts nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from pydantic import ValidationError

from facility import names
from facility.hub.cluster import Cluster
from facility.kubernetes import Json
from facility.vo import VirtualOrganization

VOs = dict[str, VirtualOrganization]


class Watcher:
    """Calls `changed` with all usable VOs by name, at the start and whenever one has come, changed or gone.

    Usable is what the operator holds for ready: whoever signs in finds a cache and an access point. A closed VO is
    told of too, for its people are to learn that it is closed.

    `synced` is set once the first list has been read: before that an unknown VO may only be unknown yet.
    """

    def __init__(self, cluster: Cluster, changed: Callable[[VOs], None], log: logging.Logger) -> None:
        self._changed = changed
        self._log = log
        self._known: VOs = {}
        self._telling = False
        self._mirror = cluster.virtual_organizations(self._take, self._forget, log)
        self.synced = self._mirror.synced

    async def run(self) -> None:
        """For ever; whatever the API server does, list and watch begin again."""
        await self._mirror.run()

    def _take(self, one: Json) -> None:
        if vo := self._parsed(one):
            self._known[vo.name] = vo
            self._tell_soon()

    def _forget(self, name: str) -> None:
        self._known.pop(name, None)
        self._tell_soon()

    def _tell_soon(self) -> None:
        """Once for all objects of a list; before anybody who waits for `synced` goes on."""
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        usable, doubles = one_per_issuer(vo for vo in self._known.values() if vo.ready or vo.closed)
        for vo in doubles:
            self._log.warning("VO %s is left out: an older one has the issuer %s", vo.name, vo.spec.issuer)
        self._changed(usable)

    def _parsed(self, one: Json) -> VirtualOrganization | None:
        """One bad object must not keep the others from being seen, nor take away what it was before."""
        try:
            return VirtualOrganization.parse(one)
        except (ValidationError, names.BadNameError, KeyError, TypeError, AttributeError) as error:
            name = (one.get("metadata") or {}).get("name", "without a name")
            self._log.warning("VO %s cannot be read, so it stays as it was: %s", name, error)
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
