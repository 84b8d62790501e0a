"""Refresh tokens that nobody will use again are ended at the issuer, as far as it is there and willing."""

from __future__ import annotations

import logging

from facility.broker.issuer import Issuers
from facility.broker.store import Record
from facility.tokens.requests import ClientRefusedError
from facility.tokens.wire import UnavailableError
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)


class Revocation:
    """Best effort, limited in time by the transport."""

    def __init__(self, issuers: Issuers) -> None:
        self._issuers = issuers

    async def revoke(self, record: Record, vo: VirtualOrganization | None) -> None:
        """Ends the record's refresh token, if it has one and the VO's issuer and client are its own. Never raises."""
        if not record.refresh_token or vo is None:
            return
        try:
            if (record.issuer, record.client) != (vo.spec.issuer, await self._issuers.client(vo)):
                return
            done = await self._issuers.of(vo).revoke(vo, record.refresh_token)
        except (UnavailableError, ClientRefusedError) as error:
            log.warning("refresh token of %s not revoked: %s", record.user, error)
        else:
            log.info("refresh token of %s %s", record.user, "revoked" if done else "not revoked: the issuer will not")
