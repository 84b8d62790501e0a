"""A person's groups go on being the issuer's word: asked for again in the background, and out when they do not do.

The groups of a sign-in grow old. When they are older than the site says and somebody asks about the session or for a
token of it, the issuer is asked once more: a refresh for a token that is good for its userinfo alone. Whatever the
issuer asserts in that token, in the ID token beside it and in userinfo counts (INDIGO IAM has groups in userinfo only
with the scope `profile`, old versions never, and leaves the claim out for somebody without groups).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from facility.broker.issuer import Issuer
from facility.broker.renewal import Renewal
from facility.broker.revocation import Revocation
from facility.broker.sessions import NOT_IN_GROUP, Session, Sessions
from facility.broker.shards import MovedError
from facility.broker.store import Record, StoreError
from facility.broker.vos import VirtualOrganizations
from facility.tokens import groups as rules
from facility.tokens import scopes as algebra
from facility.tokens.claims import ClaimsError, Expected
from facility.tokens.requests import ClientRefusedError, Grant, RequestRefusedError, SessionDeadError
from facility.tokens.scopes import Scope
from facility.tokens.wire import UnavailableError
from facility.vo import VirtualOrganization

log = logging.getLogger(__name__)
AGAIN = 60.0  # seconds before an issuer that could not say is asked again for the same person
LATER = math.inf  # when the answer is needed: whoever waits for a token goes first


class Groups:
    """Looks after the groups of sessions. `every`: seconds that they are good for; `now` in seconds since the epoch."""

    def __init__(
        self,
        vos: VirtualOrganizations,
        sessions: Sessions,
        renewal: Renewal,
        revocation: Revocation,
        every: float,
        now: Callable[[], float],
    ) -> None:
        self._vos = vos
        self._sessions = sessions
        self._renewal = renewal
        self._revocation = revocation
        self._every = every
        self._now = now
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._pause: dict[str, float] = {}

    def admitted(self, vo: VirtualOrganization, session: Session) -> bool:
        """Whether a living session's person may work here as far as is known. What is due is begun, not waited for."""
        if not _admitted(vo, session):
            self._begin(session.record.user)
            return False
        if self._due(session):
            self._begin(session.record.user)
        return True

    def changed(self, vo: VirtualOrganization) -> None:
        """The VO may let other groups in than before: whoever is in memory and in none of them is out now."""
        for session in self._sessions.known(vo.name):
            if not session.dead and not _admitted(vo, session):
                self._begin(session.record.user)

    async def settle(self) -> None:
        """Waits for all that is under way: an issuer may have rotated a refresh token."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _due(self, session: Session) -> bool:
        record, now = session.record, self._now()
        if record.groups is not None and now < record.groups_at + self._every:
            return False
        return now >= self._pause.get(record.user, 0.0) and bool(_scopes(session))

    def _begin(self, user: str) -> None:
        if user not in self._under_way:
            self._under_way[user] = task = asyncio.create_task(self._look(user))
            task.add_done_callback(lambda _: self._under_way.pop(user, None))

    async def _look(self, user: str) -> None:
        self._pause.pop(user, None)
        try:
            await self._bring_up_to_date(user)
        except MovedError:
            log.info("groups of %s are another replica's to ask for", user)
        except (StoreError, UnavailableError, ClientRefusedError, ClaimsError, RequestRefusedError) as error:
            log.warning("groups of %s not known anew: %s", user, error)
            self._pause[user] = self._now() + AGAIN

    async def _bring_up_to_date(self, user: str) -> None:
        session = await self._sessions.peek(user)
        vo = self._vos.find(session.record.vo) if session else None
        if session is None or vo is None or vo.closed:
            return
        if self._due(session):
            turn = self._renewal.issuer(vo).line.turn(LATER, probe=False)
            async with turn, self._sessions.hold(user) as held:
                if held is not None and not held.dead:
                    await self._sessions.save(held)
                    await self._learn(vo, held)
        async with self._sessions.hold(user) as held:
            out = await self._out(vo, held) if held is not None else None
        if out is not None:
            await self._revocation.revoke(out, vo)

    async def _learn(self, vo: VirtualOrganization, session: Session) -> None:
        try:
            found = await self._asserted(vo, session)
        except SessionDeadError as error:
            await self._renewal.end(session, error)
        else:
            await self._sessions.learn(session, found, self._now())

    async def _asserted(self, vo: VirtualOrganization, session: Session) -> tuple[str, ...]:
        """What the issuer asserts now. Raises ClaimsError when it leaves open whether there are groups."""
        scopes, issuer = _scopes(session), self._renewal.issuer(vo)
        grant = await self._renewal.grant(vo, session, vo.spec.issuer, scopes)
        expected = Expected(vo.spec.issuer, vo.spec.issuer, scopes, session.record.sub)
        return await asserted(issuer, grant, expected)

    async def _out(self, vo: VirtualOrganization, session: Session) -> Record | None:
        """Ends the session if its groups will not do; what it was, for the issuer to end it too."""
        if session.dead or _admitted(vo, session):
            return None
        before = session.record
        log.info("%s is in no group that %s lets in any more", before.user, vo.name)
        await self._sessions.bury(session, NOT_IN_GROUP)
        self._renewal.ended(session)
        return before


async def asserted(issuer: Issuer, grant: Grant, expected: Expected) -> tuple[str, ...]:
    """All groups that an issuer asserts with a grant, in its order. Raises ClaimsError, UnavailableError."""
    token = await issuer.check(grant.access_token, expected)
    if not any(map(rules.scope, algebra.text(token.scopes).split())):
        raise ClaimsError(f"the issuer grants the scope {rules.NAME} no more")
    parts = [token.groups]
    for claims in (await issuer.userinfo(grant.access_token), await issuer.identity(grant.id_token)):
        if claims and claims.get("sub") != expected.subject:
            raise ClaimsError("userinfo or ID token name somebody else")
        parts.append(rules.asserted(claims))
    return tuple(dict.fromkeys(group for part in parts for group in part))


def _admitted(vo: VirtualOrganization, session: Session) -> bool:
    known = session.record.groups
    return known is None or rules.admitted(known, vo.spec.login.allowed_groups)


def _scopes(session: Session) -> tuple[Scope, ...]:
    """What to ask for, of what was granted: as little as shows groups; nothing when no groups were granted."""
    granted = algebra.text(session.granted).split()
    if not any(map(rules.scope, granted)):
        return ()
    wanted = [one for one in granted if one in ("openid", "profile") or rules.scope(one)]
    return algebra.parse_granted(sorted(wanted))
