"""The exchange itself: who asks for what, whether that is theirs, and the token that comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from facility import names
from facility.broker import errors
from facility.broker.cache import Key, Token, TokenCache
from facility.broker.errors import BrokerError
from facility.broker.groups import Groups
from facility.broker.holdings import Holding
from facility.broker.identity import AccessPoint, Cache, Caller, Hub, Notebook
from facility.broker.renewal import Renewal, over
from facility.broker.sessions import Session, Sessions
from facility.broker.store import StoreError
from facility.broker.vos import VirtualOrganizations
from facility.site import Site
from facility.tokens import policy
from facility.tokens import scopes as algebra
from facility.tokens.naming import named
from facility.tokens.policy import Allowed
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganization


@dataclass(frozen=True)
class Ask:
    """What a caller asks for.

    `scope` empty: all that is allowed; `subject`: the owner, named by access points; `least`: seconds of life that the
    token should have left.
    """

    audience: str
    scope: str = ""
    subject: str = ""
    least: float = 0.0


@dataclass(frozen=True)
class Given:
    """A token; `trouble` is the reason of the session's state while no newer one is to be had, else None."""

    token: Token
    trouble: str | None = None


class Exchange:
    """Gives tokens to callers."""

    def __init__(
        self,
        site: Site,
        vos: VirtualOrganizations,
        sessions: Sessions,
        cache: TokenCache,
        renewal: Renewal,
        groups: Groups,
    ) -> None:
        self._site = site
        self._vos = vos
        self._sessions = sessions
        self._cache = cache
        self._renewal = renewal
        self._groups = groups

    @staticmethod
    def subject(caller: Caller, ask: Ask) -> str:
        """Whose token this is: a hub user's, or a VO's own. Raises BrokerError when it is not the caller's."""
        if isinstance(caller, Notebook):
            vo, name = names.split_hub_user(caller.user)
            if ask.subject not in ("", caller.user, names.owner(vo, name)):
                raise errors.access_denied(f"this pod belongs to {caller.user} and gets no tokens of anybody else")
            return caller.user
        if isinstance(caller, AccessPoint):
            return _owner(caller.vo, ask.subject)
        if isinstance(caller, Hub):
            raise errors.access_denied("the hub hands sessions over and gets no tokens")
        if ask.subject:
            raise errors.access_denied("a cache gets tokens of its own only")
        return caller.vo

    async def token(self, caller: Caller, ask: Ask) -> Given:
        """The token that was asked for. Raises BrokerError."""
        whose = self.subject(caller, ask)
        if isinstance(caller, Cache):
            vo = self._vos.get(whose)
            scopes = _choose(self._policy(caller, vo), ask, vo.name)
            return Given(await self._get(vo, "", ask, scopes, self._renewal.of_client))
        vo = self._vos.get(names.split_hub_user(whose)[0])
        session = await self._session(vo, whose)
        scopes = _choose(policy.granted(self._policy(caller, vo), session.granted), ask, vo.name)
        token = await self._get(vo, whose, ask, scopes, self._renewal.of_person)
        overdue = self._cache.overdue(_key(vo, whose, ask, scopes), ask.least)
        return Given(token, session.trouble if overdue else None)

    async def wanted(self, caller: Caller) -> Holding:
        """What this caller's agent keeps; of an access point, what jobs may have. Raises BrokerError: it is unknown."""
        if isinstance(caller, Hub):
            return Holding()
        name = names.split_hub_user(caller.user)[0] if isinstance(caller, Notebook) else caller.vo
        known = self._vos.find(name)
        allowed = self._policy(caller, known) if known else {}
        try:
            vo = self._vos.get(name)
            if isinstance(caller, Notebook):
                allowed = policy.granted(allowed, (await self._session(vo, caller.user)).granted)
            refusal = None
        except BrokerError as error:  # the files are named all the same: that is what an agent removes
            if error.status == 503:
                raise
            refusal = error
        return Holding(named(known.spec, allowed, self._site.compute_audience) if known else (), refusal)

    def _policy(self, caller: Caller, vo: VirtualOrganization) -> Allowed:
        match caller:
            case Notebook():
                return policy.notebook(vo.spec, self._site.compute_audience)
            case AccessPoint():
                return policy.job(vo.spec, self._site.compute_audience)
            case Cache():
                return policy.cache(vo.spec)
        return {}

    async def _session(self, vo: VirtualOrganization, user: str) -> Session:
        try:
            session = await self._sessions.peek(user)
        except StoreError:
            raise errors.unavailable("sessions cannot be read now") from None
        if session is None or session.dead:
            raise over(session, self._site.public_url)
        if not self._groups.admitted(vo, session):
            raise errors.not_in_group(self._site.public_url, vo.name)
        return session

    async def _get(
        self,
        vo: VirtualOrganization,
        user: str,
        ask: Ask,
        scopes: tuple[Scope, ...],
        renew: Callable[[VirtualOrganization, str, str, tuple[Scope, ...], float], Awaitable[Token]],
    ) -> Token:
        def fetch(need: float) -> Awaitable[Token]:
            return renew(vo, user, ask.audience, tuple(sorted(scopes)), need)

        try:
            return await self._cache.get(_key(vo, user, ask, scopes), fetch, ask.least)
        finally:
            self._vos.get(vo.name)  # closed meanwhile: no token goes out, whatever came of the request


def _key(vo: VirtualOrganization, user: str, ask: Ask, scopes: tuple[Scope, ...]) -> Key:
    return Key(vo.name, user, ask.audience, algebra.text(sorted(scopes)))


def _choose(allowed: Allowed, ask: Ask, vo: str) -> tuple[Scope, ...]:
    try:
        return policy.choose(allowed, ask.audience, ask.scope, vo)
    except policy.RefusedError as error:
        status = 403 if error.error == "access_denied" else 400
        raise BrokerError(status, error.error, str(error), allowed=error.allowed) from None


def _owner(vo: str, named: str) -> str:
    if not named:
        raise errors.invalid_request("requested_subject must name the owner whose token is wanted")
    try:
        found, name = names.split_owner(named)
    except names.BadNameError as error:
        raise errors.access_denied(str(error)) from None
    if found != vo:
        raise errors.access_denied(f"the access point of {vo} gets tokens of the people of {vo} only")
    return names.hub_user(found, name)
