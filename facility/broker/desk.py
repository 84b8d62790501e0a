"""The hub's desk: sign-ins are handed over here, sessions asked about and ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from facility import names
from facility.broker import errors
from facility.broker.cache import TokenCache
from facility.broker.issuer import Issuers
from facility.broker.people import NameTakenError, People
from facility.broker.sessions import SIGN_IN_AGAIN, Session, Sessions
from facility.broker.store import Record, StoreError
from facility.broker.vos import VirtualOrganizations
from facility.tokens.requests import ClientRefusedError
from facility.tokens.wire import UnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignIn:
    """What the hub knows of a person who has just signed in. `claim` names them, `scopes` are the granted ones."""

    vo: str
    sub: str
    claim: str
    scopes: tuple[str, ...]
    refresh_token: str = field(repr=False)


class Desk:
    """Opens, describes and closes sessions."""

    def __init__(
        self, vos: VirtualOrganizations, people: People, sessions: Sessions, issuers: Issuers, cache: TokenCache
    ) -> None:
        self._vos = vos
        self._people = people
        self._sessions = sessions
        self._issuers = issuers
        self._cache = cache

    async def open(self, user: str, sign_in: SignIn) -> bool:
        """Takes a sign-in over; whether it is the user's first session. Raises BrokerError, NameTakenError."""
        vo = self._vos.get(sign_in.vo)
        if user != _name(sign_in):
            raise errors.invalid_request(f"{user} is not the name of this person at this facility")
        try:
            client = await self._issuers.client(vo)
            record = Record(user, vo.name, vo.spec.issuer, client, sign_in.sub, sign_in.scopes, sign_in.refresh_token)
            uid = await self._register(record, sign_in.claim)
            self._people.signed_in(user)
            before = await self._sessions.open(record, uid)
        except (StoreError, UnavailableError, ClientRefusedError) as error:
            log.error("sign-in of %s: %s", user, error)
            raise errors.unavailable("the session cannot be stored now") from None
        self._cache.drop(vo.name, user)
        log.info("%s has signed in", user)
        if before is not None and before.refresh_token != record.refresh_token:
            await self._revoke(before)
        return before is None

    async def _register(self, record: Record, claim: str) -> str:
        """The uid of the person's object. A session that cannot be is ended at the issuer: nobody else would."""
        try:
            return (await self._people.register(record.vo, claim, record.sub))[1]
        except NameTakenError:
            await self._revoke(record)
            raise

    async def state(self, user: str) -> tuple[str, str]:
        """(good, dead or unknown; the reason), from memory: nothing is asked of the issuer."""
        try:
            session = await self._sessions.peek(user)
        except StoreError:
            return "unknown", "StoreUnavailable"
        return session.state if session else ("dead", SIGN_IN_AGAIN)

    async def close(self, user: str) -> None:
        """Ends a session: revoked at the issuer as far as that is possible, forgotten here. Raises BrokerError."""
        try:
            async with self._sessions.hold(user) as session:
                if session is not None:
                    await self._end(session)
        except StoreError:
            raise errors.unavailable("the session cannot be removed now") from None

    async def _end(self, session: Session) -> None:
        await self._revoke(session.record)
        await self._sessions.close(session)
        self._cache.drop(session.record.vo, session.record.user)
        log.info("session of %s closed", session.record.user)

    async def _revoke(self, record: Record) -> None:
        if not record.refresh_token:
            return
        try:
            vo = self._vos.get(record.vo)
            if (record.issuer, record.client) != (vo.spec.issuer, await self._issuers.client(vo)):
                return
            done = await self._issuers.of(vo).revoke(vo, record.refresh_token)
        except (errors.BrokerError, UnavailableError, ClientRefusedError) as error:
            log.warning("refresh token of %s not revoked: %s", record.user, error)
        else:
            log.info("refresh token of %s %s", record.user, "revoked" if done else "not revoked: the issuer will not")


def _name(sign_in: SignIn) -> str:
    try:
        return names.hub_user(sign_in.vo, names.person(sign_in.claim))
    except names.BadNameError as error:
        raise errors.invalid_request(str(error)) from None
