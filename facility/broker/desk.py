"""The hub's desk: sign-ins are handed over here, sessions asked about and ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from facility import names
from facility.broker import errors
from facility.broker.cache import TokenCache
from facility.broker.groups import Groups
from facility.broker.issuer import Issuers
from facility.broker.people import NameTakenError, People
from facility.broker.revocation import Revocation
from facility.broker.sessions import NOT_IN_GROUP, SIGN_IN_AGAIN, VO_CLOSED, Session, Sessions
from facility.broker.store import Record, StoreError
from facility.broker.vos import VirtualOrganizations
from facility.tokens.groups import admitted
from facility.tokens.requests import ClientRefusedError
from facility.tokens.wire import UnavailableError
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignIn:
    """What the hub knows of a person who has just signed in.

    `claim` names them; `scopes` are the granted ones, `groups` those that the issuer asserts.
    """

    vo: str
    sub: str
    claim: str
    scopes: tuple[str, ...]
    groups: tuple[str, ...]
    refresh_token: str = field(repr=False)


@dataclass(frozen=True)
class Standing:
    """How a session is: `state` is good, dead or unknown; `groups` None: not known."""

    state: str
    reason: str
    groups: tuple[str, ...] | None = None


class Desk:
    """Opens, describes and closes sessions."""

    def __init__(
        self,
        vos: VirtualOrganizations,
        people: People,
        sessions: Sessions,
        issuers: Issuers,
        cache: TokenCache,
        groups: Groups,
        revocation: Revocation,
        now: Callable[[], float],
    ) -> None:
        self._vos = vos
        self._people = people
        self._sessions = sessions
        self._issuers = issuers
        self._cache = cache
        self._groups = groups
        self._revocation = revocation
        self._now = now

    async def open(self, user: str, sign_in: SignIn) -> bool:
        """Takes a sign-in over; whether it is the user's first session. Raises BrokerError, NameTakenError."""
        vo = self._vos.get(sign_in.vo)
        if user != _name(sign_in):
            raise errors.invalid_request(f"{user} is not the name of this person at this facility")
        try:
            record = self._record(user, vo, await self._issuers.client(vo), sign_in)
            if not admitted(sign_in.groups, vo.spec.login.allowed_groups):
                await self._revoke(record)
                raise errors.access_denied(f"{user} is in none of the groups that may work here for {vo.name}")
            uid = await self._register(record, sign_in.claim)
            self._people.signed_in(user)
            before = await self._sessions.open(record, uid)
        except (StoreError, UnavailableError, ClientRefusedError) as error:
            log.error("sign-in of %s: %s", user, error)
            raise errors.unavailable("the session cannot be stored now") from None
        self._cache.drop(vo.name, user)
        if self._vos.going(vo.name):  # since the sign-in began: nobody would end this session any more
            await self.close(user)
            self._vos.get(vo.name)
        log.info("%s has signed in", user)
        if before is not None and before.refresh_token != record.refresh_token:
            await self._revoke(before)
        return before is None

    def _record(self, user: str, vo: VirtualOrganization, client: str, sign_in: SignIn) -> Record:
        return Record(
            user,
            vo.name,
            vo.spec.issuer,
            client,
            sign_in.sub,
            sign_in.scopes,
            sign_in.refresh_token,
            groups=sign_in.groups,
            groups_at=self._now(),
        )

    async def _register(self, record: Record, claim: str) -> str:
        """The uid of the person's object. A session that cannot be is ended at the issuer: nobody else would."""
        try:
            return (await self._people.register(record.vo, claim, record.sub))[1]
        except NameTakenError:
            await self._revoke(record)
            raise

    async def state(self, user: str) -> Standing:
        """How a session is, from memory: the issuer is asked in the background, if at all."""
        vo = self._vos.find(names.split_hub_user(user)[0])
        try:
            session = await self._sessions.peek(user)
        except StoreError:
            session = None
            if vo is not None and not vo.closed:
                return Standing("unknown", "StoreUnavailable")
        groups = session.record.groups if session else None
        if vo is None or vo.closed:
            return Standing("dead", VO_CLOSED, groups)
        if session is None:
            return Standing("dead", SIGN_IN_AGAIN)
        if not session.dead and not self._groups.admitted(vo, session):
            return Standing("dead", NOT_IN_GROUP, groups)
        return Standing(*session.state, groups)

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
        await self._sessions.close(session.record.user)
        self._cache.drop(session.record.vo, session.record.user)
        log.info("session of %s closed", session.record.user)

    async def _revoke(self, record: Record) -> None:
        await self._revocation.revoke(record, self._vos.find(record.vo))


def _name(sign_in: SignIn) -> str:
    try:
        return names.hub_user(sign_in.vo, names.person(sign_in.claim))
    except names.BadNameError as error:
        raise errors.invalid_request(str(error)) from None
