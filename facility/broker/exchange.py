"""The exchange itself: who asks for what, whether that is theirs, and the token that comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from facility import names
from facility.broker import errors
from facility.broker.cache import Key, Token, TokenCache
from facility.broker.errors import BrokerError
from facility.broker.groups import Groups
from facility.broker.holdings import Holding
from facility.broker.identity import AccessPoint, Caller, Hub, Notebook
from facility.broker.offers import Choice, Offers
from facility.broker.renewal import Renewal, over
from facility.broker.sessions import Session, Sessions
from facility.broker.store import StoreError
from facility.broker.vos import VirtualOrganizations
from facility.site import Site
from facility.tokens.naming import named
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganization


class Ask(NamedTuple):
    """What a caller asks for.

    `scope` empty: all that is allowed; `subject`: the owner, named by access points; `least`: seconds of life that the
    token should have left.
    """

    audience: str
    scope: str = ""
    subject: str = ""
    least: float = 0.0


class Whose(NamedTuple):
    """Whose token it is: a hub user's, or with an empty `user` the VO's own."""

    vo: str
    user: str

    @property
    def owner(self) -> str:
        """By whom shards are told apart."""
        return self.user or self.vo


class Given(NamedTuple):
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
        self._offers = Offers(site.compute_audience)
        self._vos = vos
        self._sessions = sessions
        self._cache = cache
        self._renewal = renewal
        self._groups = groups

    @staticmethod
    def whose(caller: Caller, ask: Ask) -> Whose:
        """Whose token this is. Raises BrokerError when it is not the caller's."""
        if isinstance(caller, Notebook):
            vo, name = names.split_hub_user(caller.user)
            if ask.subject not in ("", caller.user, names.owner(vo, name)):
                raise errors.access_denied(f"this pod belongs to {caller.user} and gets no tokens of anybody else")
            return Whose(vo, caller.user)
        if isinstance(caller, AccessPoint):
            return Whose(caller.vo, _user(caller.vo, ask.subject))
        if isinstance(caller, Hub):
            raise errors.access_denied("the hub hands sessions over and gets no tokens")
        if ask.subject:
            raise errors.access_denied("a cache gets tokens of its own only")
        return Whose(caller.vo, "")

    async def token(self, caller: Caller, ask: Ask, whose: Whose) -> Given:
        """The token that was asked for; `whose`: as `Exchange.whose` found. Raises BrokerError."""
        vo = self._vos.get(whose.vo)
        offer = self._offers.of(vo, caller)
        if not whose.user:
            choice = offer.choose(None, ask.audience, ask.scope)
            return Given(await self._get(_key(whose, ask, choice), ask.least, vo, choice, self._renewal.of_client))
        session = await self._session(vo, whose.user)
        choice = offer.choose(session.record.scopes, ask.audience, ask.scope)
        key = _key(whose, ask, choice)
        token = await self._get(key, ask.least, vo, choice, self._renewal.of_person)
        return Given(token, session.trouble if self._cache.overdue(key, ask.least) else None)

    async def wanted(self, caller: Caller) -> Holding:
        """What this caller's agent keeps; of an access point, what jobs may have. Raises BrokerError: it is unknown."""
        if isinstance(caller, Hub):
            return Holding()
        name = names.split_hub_user(caller.user)[0] if isinstance(caller, Notebook) else caller.vo
        known = self._vos.find(name)
        allowed = self._offers.of(known, caller).allowed if known else {}
        try:
            vo = self._vos.get(name)
            if isinstance(caller, Notebook):
                session = await self._session(vo, caller.user)
                allowed = self._offers.of(vo, caller).to(session.record.scopes)
            refusal = None
        except BrokerError as error:  # the files are named all the same: that is what an agent removes
            if error.status == 503:
                raise
            refusal = error
        return Holding(named(known.spec, allowed, self._site.compute_audience) if known else (), refusal)

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
        key: Key,
        least: float,
        vo: VirtualOrganization,
        choice: Choice,
        renew: Callable[[VirtualOrganization, str, str, tuple[Scope, ...], float], Awaitable[Token]],
    ) -> Token:
        def fetch(need: float) -> Awaitable[Token]:
            return renew(vo, key.user, key.audience, choice.scopes, need)

        try:
            return await self._cache.get(key, fetch, least)
        finally:
            self._vos.get(vo.name)  # closed meanwhile: no token goes out, whatever came of the request


def _key(whose: Whose, ask: Ask, choice: Choice) -> Key:
    return Key(whose.vo, whose.user, ask.audience, choice.text)


def _user(vo: str, owner: str) -> str:
    """The hub user who is this owner."""
    if not owner:
        raise errors.invalid_request("requested_subject must name the owner whose token is wanted")
    try:
        found, name = names.split_owner(owner)
    except names.BadNameError as error:
        raise errors.access_denied(str(error)) from None
    if found != vo:
        raise errors.access_denied(f"the access point of {vo} gets tokens of the people of {vo} only")
    return names.hub_user(found, name)
