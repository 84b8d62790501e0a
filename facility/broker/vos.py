"""The VOs that the broker serves, as the VirtualOrganization objects say at this moment."""

from __future__ import annotations

import logging
from collections.abc import Callable

from facility.broker import errors
from facility.kubernetes import Json
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)


class VirtualOrganizations:
    """VOs by name. `dropped` is called with the name of each that goes or changes issuer."""

    def __init__(self, dropped: Callable[[str], None]) -> None:
        self._dropped = dropped
        self._vos: dict[str, VirtualOrganization] = {}
        self._listed = False

    def changed(self, item: Json) -> None:
        """Takes an object in. One that cannot be read changes nothing: its VO stays as it was, as at the operator."""
        name = item["metadata"]["name"]
        try:
            vo = VirtualOrganization.parse(item)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            log.warning("VirtualOrganization %s cannot be read, so it stays as it was: %s", name, _first_line(error))
            return
        before = self._vos.get(name)
        self._vos[name] = vo
        if before is not None and before.spec.issuer != vo.spec.issuer:
            self._dropped(name)

    def removed(self, name: str) -> None:
        """Forgets a VO and everything that hangs on it."""
        if self._vos.pop(name, None) is not None:
            log.info("VirtualOrganization %s has gone", name)
            self._dropped(name)

    def get(self, name: str) -> VirtualOrganization:
        """The VO of that name. Raises BrokerError 403 when this facility has none."""
        vo = self._vos.get(name)
        if vo is None:
            raise errors.access_denied(f"this facility has no virtual organization {name!r}")
        return vo


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in lines[:3])
