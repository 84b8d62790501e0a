"""New tokens from issuers, in the one order that loses nothing.

Refresh under the session's lock, store what the issuer has rotated, only then look at the access token, only then hand
it out. An issuer in trouble makes a session's state unknown; only its word that the refresh token is dead ends it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from facility.broker import errors
from facility.broker.cache import Token
from facility.broker.errors import BrokerError
from facility.broker.issuer import Issuer, Issuers
from facility.broker.sessions import ANSWER_REFUSED, CLIENT_REFUSED, ISSUER_UNAVAILABLE, NOT_IN_GROUP, Session, Sessions
from facility.broker.store import StoreError
from facility.tokens import scopes as algebra
from facility.tokens.claims import ClaimsError, Expected, NothingGrantedError
from facility.tokens.requests import ClientRefusedError, Grant, RequestRefusedError, SessionDeadError
from facility.tokens.scopes import Scope
from facility.tokens.wire import UnavailableError
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)


class Renewal:
    """Fetches tokens. `ended` is told of a user whose session has died; `hub_url` is where they sign in again."""

    def __init__(self, sessions: Sessions, issuers: Issuers, hub_url: str, ended: Callable[[str, str], None]) -> None:
        self._sessions = sessions
        self._issuers = issuers
        self._hub_url = hub_url
        self.ended = ended

    async def of_person(self, vo: VirtualOrganization, user: str, audience: str, scopes: tuple[Scope, ...]) -> Token:
        """A token of a person. Raises BrokerError."""
        try:
            async with self._sessions.hold(user) as session:
                if session is None or session.dead:
                    raise over(session, self._hub_url)
                await self._sessions.save(session)  # a rotation that could not be stored the last time comes first
                return await self._renew(vo, session, audience, scopes)
        except StoreError as error:
            log.error("session of %s: %s", user, error)
            raise errors.unavailable("sessions cannot be stored now") from None

    async def of_client(self, vo: VirtualOrganization, _: str, audience: str, scopes: tuple[Scope, ...]) -> Token:
        """A token of the facility's own client, for the VO's cache. Raises BrokerError."""
        try:
            grant = await self._issuers.of(vo).client_credentials(vo, audience, scopes)
            return await self._checked(vo, grant, audience, scopes, None)
        except (RequestRefusedError, NothingGrantedError) as error:
            raise _refused(error, audience, scopes) from None
        except (UnavailableError, ClientRefusedError, ClaimsError) as error:
            log.warning("token for the cache of %s: %s", vo.name, error)
            raise errors.unavailable(_sentence(vo, error)) from None

    async def _renew(
        self, vo: VirtualOrganization, session: Session, audience: str, scopes: tuple[Scope, ...]
    ) -> Token:
        try:
            grant = await self.grant(vo, session, audience, scopes)
            token = await self._checked(vo, grant, audience, scopes, session.record.sub)
        except SessionDeadError as error:
            raise await self.end(session, error) from None
        except (RequestRefusedError, NothingGrantedError) as error:
            raise _refused(error, audience, scopes) from None
        except (UnavailableError, ClientRefusedError, ClaimsError) as error:
            log.warning("token of %s: %s", session.record.user, error)
            self._sessions.unknown(session, _reason(error))
            raise errors.unavailable(_sentence(vo, error)) from None
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
        self.ended(session.record.vo, session.record.user)
        return errors.interaction_required(self._hub_url)

    async def _refresh(
        self, vo: VirtualOrganization, session: Session, audience: str, scopes: tuple[Scope, ...]
    ) -> Grant:
        """A grant. A refresh token is shown only to the issuer and by the client that it was given by and to."""
        record = session.record
        if (record.issuer, record.client) != (vo.spec.issuer, await self._issuers.client(vo)):
            raise SessionDeadError("the VO's issuer or this facility's client at it has changed")
        try:
            return await self._issuers.of(vo).refresh(vo, record.refresh_token, audience, scopes)
        except SessionDeadError:
            if not await self._sessions.newer(session):
                raise
        return await self._issuers.of(vo).refresh(vo, session.record.refresh_token, audience, scopes)

    async def _checked(
        self, vo: VirtualOrganization, grant: Grant, audience: str, scopes: tuple[Scope, ...], sub: str | None
    ) -> Token:
        expected = Expected(vo.spec.issuer, audience, scopes, sub)
        found = await self._issuers.of(vo).check(grant.access_token, expected)
        return Token(grant.access_token, algebra.text(found.scopes), found.expires)


def over(session: Session | None, hub_url: str) -> BrokerError:
    """What the person of a session that is dead, or not there, is told."""
    if session is not None and session.record.reason == NOT_IN_GROUP:
        return errors.not_in_group(hub_url, session.record.vo)
    return errors.interaction_required(hub_url)


def _reason(error: Exception) -> str:
    if isinstance(error, ClientRefusedError):
        return CLIENT_REFUSED
    return ANSWER_REFUSED if isinstance(error, ClaimsError) else ISSUER_UNAVAILABLE


def _sentence(vo: VirtualOrganization, error: Exception) -> str:
    if isinstance(error, ClientRefusedError):
        return f"the issuer of {vo.name} refuses this facility's client; its admins must mend that"
    if isinstance(error, ClaimsError):
        return f"the issuer of {vo.name} does not answer with the token that was asked for: {error}"
    return f"the issuer of {vo.name} gives no answer"


def _refused(error: RequestRefusedError | NothingGrantedError, audience: str, scopes: tuple[Scope, ...]) -> BrokerError:
    """The issuer's refusal in our words: its own text may quote tokens."""
    if isinstance(error, NothingGrantedError):
        return errors.access_denied(f"the issuer grants none of the scopes {algebra.text(scopes)!r}; ask the VO")
    what = f"audience {audience}" if error.error == "invalid_target" else f"scope {algebra.text(scopes)!r}"
    status = 403 if error.error == "access_denied" else 400
    return BrokerError(status, error.error, f"the issuer refuses {what}")
