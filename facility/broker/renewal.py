"""New tokens from issuers, in the one order that loses nothing.

Refresh under the session's lock, store what the issuer has rotated, only then look at the access token, only then hand
it out. An issuer in trouble makes a session's state unknown; only its word that the refresh token is dead ends it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from facility.broker import errors, trouble
from facility.broker.cache import Key, Token, TokenCache
from facility.broker.errors import BrokerError
from facility.broker.issuer import Issuer, Issuers
from facility.broker.sessions import NOT_IN_GROUP, Session, Sessions
from facility.broker.store import StoreError
from facility.broker.trouble import REFUSAL, TROUBLE
from facility.tokens import scopes as algebra
from facility.tokens.claims import Expected
from facility.tokens.requests import ClientRefusedError, Grant, SessionDeadError, SubjectTokenError
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)
#: how a token is got: VO, hub user, audience, scopes, and the moment it is needed at (seconds since the epoch)
Way = Callable[[VirtualOrganization, str, str, tuple[Scope, ...], float], Awaitable[Token]]
REACH = "offline_access"  # asks for a refresh token: never needed again after the sign-in


class Renewal:
    """Fetches tokens. `hub_url` is where people sign in again."""

    def __init__(self, sessions: Sessions, issuers: Issuers, cache: TokenCache, hub_url: str) -> None:
        self._sessions = sessions
        self._issuers = issuers
        self._cache = cache
        self._hub_url = hub_url

    async def of_person(
        self, vo: VirtualOrganization, user: str, audience: str, scopes: tuple[Scope, ...], need: float
    ) -> Token:
        """A token of a person, needed at a moment (seconds since the epoch). Raises BrokerError."""
        way = self._exchanged if vo.spec.tokens.grant == "Exchange" else self._refreshed
        return await self._explained(way, vo, user, audience, scopes, need)

    async def of_client(
        self, vo: VirtualOrganization, _: str, audience: str, scopes: tuple[Scope, ...], need: float
    ) -> Token:
        """A token of the facility's own client, for the VO's cache. Raises BrokerError."""
        issuer = self._issuers.of(vo)
        try:
            async with issuer.line.turn(need):
                grant = await issuer.client_credentials(vo, audience, scopes)
                return await self._checked(vo, grant, Expected(vo.spec.issuer, audience, scopes))
        except REFUSAL as error:
            raise trouble.refused(error, audience, scopes) from None
        except TROUBLE as error:
            log.warning("token for the cache of %s: %s", vo.name, error)
            raise trouble.unavailable(vo, error) from None

    async def _explained(
        self, way: Way, vo: VirtualOrganization, user: str, audience: str, scopes: tuple[Scope, ...], need: float
    ) -> Token:
        """What comes of a way, failures noted and in words. Raises BrokerError."""
        try:
            return await way(vo, user, audience, scopes, need)
        except REFUSAL as error:
            raise trouble.refused(error, audience, scopes) from None
        except TROUBLE as error:
            log.warning("token of %s: %s", user, error)
            with suppress(StoreError):
                if session := await self._sessions.peek(user):
                    self._sessions.unknown(session, trouble.reason(error))
            raise trouble.unavailable(vo, error) from None
        except StoreError as error:
            log.error("session of %s: %s", user, error)
            raise errors.unavailable("sessions cannot be stored now") from None

    async def _refreshed(
        self, vo: VirtualOrganization, user: str, audience: str, scopes: tuple[Scope, ...], need: float
    ) -> Token:
        """By the refresh token. One's turn comes first: nobody holds a session while waiting for it."""
        async with self._issuers.of(vo).line.turn(need), self._sessions.hold(user) as session:
            if session is None or session.dead:
                raise over(session, self._hub_url)
            await self._sessions.save(session)  # a rotation that could not be stored the last time comes first
            try:
                grant = await self.grant(vo, session, audience, scopes)
            except SessionDeadError as error:
                raise await self.end(session, error) from None
            expected = Expected(vo.spec.issuer, audience, scopes, session.record.sub)
            token = await self._checked(vo, grant, expected)
            self._sessions.good(session)
            return token

    async def _exchanged(
        self, vo: VirtualOrganization, user: str, audience: str, scopes: tuple[Scope, ...], need: float
    ) -> Token:
        """By an exchange of an access token that stays here and is refreshed like any other.

        The issuer may have forgotten that one: INDIGO IAM does when the same refresh token is used for something else.
        """
        for _ in range(2):
            session = await self._sessions.peek(user)
            if session is None or session.dead:
                raise over(session, self._hub_url)
            key, subject = await self._subject(vo, session)
            try:
                return await self._by_exchange(vo, session, subject, audience, scopes, need)
            except SubjectTokenError:
                self._cache.forget(key, subject)
        raise ClientRefusedError("the issuer exchanges no token that it has just given")

    async def _subject(self, vo: VirtualOrganization, session: Session) -> tuple[Key, Token]:
        """The token to be exchanged, good for the issuer itself and all that was granted, and its place in the cache.

        As wide as the session, since some issuers give by exchange only what the exchanged token has.
        """
        user, issuer = session.record.user, vo.spec.issuer
        scopes = tuple(sorted(one for one in session.granted if str(one) != REACH))
        key = Key(vo.name, user, "", algebra.text(scopes))
        return key, await self._cache.get(
            key, lambda need: self._explained(self._refreshed, vo, user, issuer, scopes, need)
        )

    async def _by_exchange(
        self,
        vo: VirtualOrganization,
        session: Session,
        subject: Token,
        audience: str,
        scopes: tuple[Scope, ...],
        need: float,
    ) -> Token:
        issuer = self._issuers.of(vo)
        client = await self._issuers.client(vo, exchanging=True)
        async with issuer.line.turn(need):
            grant = await issuer.exchange(vo, subject.value, audience, scopes)
            expected = Expected(vo.spec.issuer, audience, scopes, session.record.sub, client)
            token = await self._checked(vo, grant, expected)
        self._sessions.good(session)
        return token

    def issuer(self, vo: VirtualOrganization) -> Issuer:
        """The VO's issuer."""
        return self._issuers.of(vo)

    async def grant(self, vo: VirtualOrganization, session: Session, audience: str, scopes: tuple[Scope, ...]) -> Grant:
        """An unchecked grant; what the issuer has rotated is stored. The caller holds the session.

        Raises:
            StoreError, and the errors of `requests.refresh`.
        """
        grant = await self._refresh(vo, session, audience, scopes)
        rotated = grant.refresh_token
        if rotated is not None and rotated != session.record.refresh_token:
            await self._sessions.rotate(session, rotated)
        return grant

    async def end(self, session: Session, error: SessionDeadError) -> BrokerError:
        """Buries a session whose refresh token is dead; what its person is told. The caller holds the session."""
        log.info("session of %s has ended: %s", session.record.user, error)
        await self._sessions.bury(session)
        self.ended(session)
        return errors.interaction_required(self._hub_url)

    def ended(self, session: Session) -> None:
        """Drops all tokens of a session that is over."""
        self._cache.drop(session.record.vo, session.record.user)

    async def _refresh(
        self, vo: VirtualOrganization, session: Session, audience: str, scopes: tuple[Scope, ...]
    ) -> Grant:
        """A grant. A refresh token is shown only to the issuer and by the client that it was given by and to."""
        record = session.record
        if (record.issuer, record.client) != (vo.spec.issuer, await self._issuers.client(vo)):
            raise SessionDeadError("the VO's issuer or this facility's client at it has changed")
        permit = partial(self._sessions.permit, session)
        try:
            return await self._issuers.of(vo).refresh(vo, record.refresh_token, audience, scopes, permit=permit)
        except SessionDeadError:
            if not await self._sessions.newer(session):
                raise
        again = session.record.refresh_token
        return await self._issuers.of(vo).refresh(vo, again, audience, scopes, permit=permit)

    async def _checked(self, vo: VirtualOrganization, grant: Grant, expected: Expected) -> Token:
        found = await self._issuers.of(vo).check(grant.access_token, expected)
        return Token(grant.access_token, algebra.text(found.scopes), found.expires)


def over(session: Session | None, hub_url: str) -> BrokerError:
    """What the person of a session that is dead, or not there, is told."""
    if session is not None and session.record.reason == NOT_IN_GROUP:
        return errors.not_in_group(hub_url, session.record.vo)
    return errors.interaction_required(hub_url)
