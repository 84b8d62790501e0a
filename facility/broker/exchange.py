"""The exchange itself: who asks for what, whether that is theirs, and the token that comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from facility import names
from facility.broker import errors
from facility.broker.cache import Key, Token, TokenCache
from facility.broker.errors import BrokerError
from facility.broker.groups import Groups
from facility.broker.identity import AccessPoint, Cache, Caller, Notebook
from facility.broker.renewal import Renewal, over
from facility.broker.sessions import Session, Sessions
from facility.broker.store import StoreError
from facility.broker.vos import VirtualOrganizations
from facility.site import Site
from facility.tokens import policy
from facility.tokens import scopes as algebra
from facility.tokens.policy import Allowed
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganization


@dataclass(frozen=True)
class Ask:
    """What a caller asks for. `scope` empty: all that is allowed; `subject`: the owner, named by access points."""

    audience: str
    scope: str = ""
    subject: str = ""


@dataclass(frozen=True)
class WantedFile:
    """A token that an agent keeps as a file."""

    name: str
    audience: str
    scope: str


@dataclass(frozen=True)
class Holding:
    """What an agent keeps; with a refusal it may keep none of it now."""

    files: tuple[WantedFile, ...] = ()
    refusal: BrokerError | None = None


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

    async def token(self, caller: Caller, ask: Ask) -> Token:
        """The token that was asked for. Raises BrokerError."""
        if isinstance(caller, Cache):
            if ask.subject:
                raise errors.access_denied("a cache gets tokens of its own only")
            return await self._of_cache(self._vos.get(caller.vo), ask)
        user = self._subject(caller, ask.subject)
        vo = self._vos.get(names.split_hub_user(user)[0])
        allowed = self._policy(caller, vo)
        session = await self._session(vo, user)
        scopes = _choose(policy.granted(allowed, session.granted), ask, vo.name)
        return await self._get(vo, user, ask.audience, scopes, self._renewal.of_person)

    async def wanted(self, caller: Caller) -> Holding:
        """What this caller's agent keeps. Raises BrokerError when nothing can be said."""
        if not isinstance(caller, Notebook | Cache):
            return Holding()
        name = caller.vo if isinstance(caller, Cache) else names.split_hub_user(caller.user)[0]
        try:
            vo = self._vos.get(name)
        except BrokerError as error:  # the files it has are named all the same: that is what it removes
            known = self._vos.find(name)
            return Holding(self._files(caller, known, None) if known else (), error)
        if isinstance(caller, Cache):
            return Holding(self._files(caller, vo, None))
        try:
            session = await self._session(vo, caller.user)
        except BrokerError as error:
            if error.error != "interaction_required":
                raise
            return Holding(self._files(caller, vo, ()), error)
        return Holding(self._files(caller, vo, session.granted))

    def _files(
        self, caller: Notebook | Cache, vo: VirtualOrganization, granted: tuple[Scope, ...] | None
    ) -> tuple[WantedFile, ...]:
        """The caller's files; `granted` None: as the VO has them, whatever was granted."""
        if isinstance(caller, Cache):
            return _files(policy.cache(vo.spec), None)
        allowed = self._policy(caller, vo)
        return _files(allowed if granted is None else policy.granted(allowed, granted), self._site.compute_audience)

    def _subject(self, caller: Caller, named: str) -> str:
        """The hub user whose token this is. Raises BrokerError 403 for anybody who is not the caller's."""
        if isinstance(caller, Notebook):
            vo, name = names.split_hub_user(caller.user)
            if named not in ("", caller.user, names.owner(vo, name)):
                raise errors.access_denied(f"this pod belongs to {caller.user} and gets no tokens of anybody else")
            return caller.user
        if isinstance(caller, AccessPoint):
            return _owner(caller.vo, named)
        raise errors.access_denied("the hub hands sessions over and gets no tokens")

    def _policy(self, caller: Caller, vo: VirtualOrganization) -> Allowed:
        if isinstance(caller, Notebook):
            return policy.notebook(vo.spec, self._site.compute_audience)
        return policy.lakes(vo.spec)

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

    async def _of_cache(self, vo: VirtualOrganization, ask: Ask) -> Token:
        scopes = _choose(policy.cache(vo.spec), ask, vo.name)
        return await self._get(vo, "", ask.audience, scopes, self._renewal.of_client)

    async def _get(
        self,
        vo: VirtualOrganization,
        user: str,
        audience: str,
        scopes: tuple[Scope, ...],
        renew: Callable[[VirtualOrganization, str, str, tuple[Scope, ...]], Awaitable[Token]],
    ) -> Token:
        scopes = tuple(sorted(scopes))
        key = Key(vo.name, user, audience, algebra.text(scopes))
        try:
            return await self._cache.get(key, lambda: renew(vo, user, audience, scopes))
        finally:
            self._vos.get(vo.name)  # closed meanwhile: no token goes out, whatever came of the request


def _choose(allowed: Allowed, ask: Ask, vo: str) -> tuple[Scope, ...]:
    try:
        return policy.choose(allowed, ask.audience, ask.scope, vo)
    except policy.RefusedError as error:
        raise BrokerError(403 if error.error == "access_denied" else 400, error.error, str(error)) from None


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


def _files(allowed: Allowed, compute: str | None) -> tuple[WantedFile, ...]:
    """`lake` for the first lake audience, `lake2` and so on for further ones, `compute` for the batch system."""
    lakes = [audience for audience in allowed if audience != compute]
    called = {audience: "lake" if index == 1 else f"lake{index}" for index, audience in enumerate(lakes, 1)}
    return tuple(
        WantedFile(called.get(audience, "compute"), audience, algebra.text(s)) for audience, s in allowed.items()
    )
