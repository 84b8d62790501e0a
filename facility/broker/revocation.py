"""Refresh tokens that nobody will use again are ended at the issuer, as far as it is there and willing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

from facility.broker.issuer import Issuers
from facility.broker.store import Record
from facility.tokens.requests import ClientRefusedError
from facility.tokens.wire import UnavailableError
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)


QUEUE = 5.0  # seconds to wait for one's turn; sign-outs are waited for


class Revocation:
    """Best effort, limited in time. `now` gives seconds since the epoch."""

    def __init__(self, issuers: Issuers, now: Callable[[], float]) -> None:
        self._issuers = issuers
        self._now = now

    async def revoke(self, record: Record, vo: VirtualOrganization | None) -> None:
        """Ends the record's refresh token, if it has one and the VO's issuer and client are its own. Never raises."""
        if not record.refresh_token or vo is None:
            return
        try:
            if (record.issuer, record.client) != (vo.spec.issuer, await self._issuers.client(vo)):
                return
            done = await self._ask(record, vo)
        except (UnavailableError, ClientRefusedError, TimeoutError) as error:
            log.warning("refresh token of %s not revoked: %s", record.user, error or "too much is asked of the issuer")
        else:
            log.info("refresh token of %s %s", record.user, "revoked" if done else "not revoked: the issuer will not")

    async def _ask(self, record: Record, vo: VirtualOrganization) -> bool:
        issuer = self._issuers.of(vo)
        async with AsyncExitStack() as turn:
            async with asyncio.timeout(QUEUE):
                await turn.enter_async_context(issuer.line.turn(self._now()))
            return await issuer.revoke(vo, record.refresh_token)
