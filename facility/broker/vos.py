"""The VOs that the broker serves, as the VirtualOrganization objects say at this moment."""

from __future__ import annotations

import logging
from collections.abc import Callable

from facility.broker import errors
from facility.kubernetes import Json
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)

#: told of every change: the VO's name, what it was and what it is; None: not here
Told = Callable[[str, VirtualOrganization | None, VirtualOrganization | None], None]


class VirtualOrganizations:
    """VOs by name. `told` is called after each change of what matters here: spec, and whether a VO is going."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._vos: dict[str, VirtualOrganization] = {}

    def changed(self, item: Json) -> None:
        """Takes an object in. One that cannot be read changes nothing: its VO stays as it was, as at the operator."""
        name = item["metadata"]["name"]
        before = self._vos.get(name)
        try:
            vo = VirtualOrganization.parse(item)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            log.warning("VirtualOrganization %s cannot be read, so it stays as it was: %s", name, _first_line(error))
            if item["metadata"].get("deletionTimestamp"):
                self._going(name, before)
            return
        self._take(before, vo)

    def removed(self, name: str) -> None:
        """Forgets a VO and everything that hangs on it."""
        before = self._vos.pop(name, None)
        if before is not None:
            log.info("VirtualOrganization %s has gone", name)
            self._told(name, before, None)

    def names(self) -> list[str]:
        """The VOs that are known, closed or not."""
        return list(self._vos)

    def find(self, name: str) -> VirtualOrganization | None:
        """The VO of that name, closed or not."""
        return self._vos.get(name)

    def get(self, name: str) -> VirtualOrganization:
        """The VO of that name. Raises BrokerError 403, with a sentence, when there is none or it is closed."""
        vo = self._vos.get(name)
        if vo is None:
            raise errors.access_denied(f"this facility has no virtual organization {name!r}")
        if vo.closed:
            raise errors.access_denied(f"The virtual organization {name} {vo.closed}.")
        return vo

    def closed(self, name: str) -> bool:
        """Whether nobody of that VO gets tokens now: it is suspended, going, or not here."""
        vo = self._vos.get(name)
        return vo is None or bool(vo.closed)

    def going(self, name: str) -> bool:
        """Whether the VO's sessions have to end: it is being removed, or is not here any more."""
        vo = self._vos.get(name)
        return vo is None or vo.deleting

    def _going(self, name: str, before: VirtualOrganization | None) -> None:
        """A VO that nobody can read goes all the same, as it was known; sessions of one never known end, too."""
        if before is None:
            self._told(name, None, None)
        else:
            self._take(before, before.model_copy(update={"deleting": True}))

    def _take(self, before: VirtualOrganization | None, vo: VirtualOrganization) -> None:
        self._vos[vo.name] = vo
        if before is None or (before.spec, before.deleting) != (vo.spec, vo.deleting):
            self._told(vo.name, before, vo)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in lines[:3])
