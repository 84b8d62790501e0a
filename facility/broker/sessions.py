"""Sessions: who has signed in, with what refresh token, and whether it is still good.

The Secret is the truth, memory a copy. Whoever uses a refresh token holds the session's lock while doing so, and one
that the issuer has rotated is in the Secret before anything that came with it is used.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from facility.broker.store import Record, SecretStore, StoreError, UnreadableError
from facility.tokens import scopes
from facility.tokens.scopes import Scope

log = logging.getLogger(__name__)

SIGNED_IN, SIGN_IN_AGAIN = "SignedIn", "SignInAgain"
NOT_IN_GROUP, VO_CLOSED = "NotInGroup", "VOClosed"
ISSUER_UNAVAILABLE, CLIENT_REFUSED, ANSWER_REFUSED = "IssuerUnavailable", "ClientRefused", "AnswerRefused"


@dataclass
class Session:
    """A session in memory. `trouble` is why nothing is known of its state now; `unsaved`: the Secret is behind;
    `told`: the person's object has been told of its state since it came into memory.
    """

    record: Record
    trouble: str | None = None
    unsaved: bool = False
    told: bool = False

    @property
    def granted(self) -> tuple[Scope, ...]:
        """What the issuer granted at sign-in: the ceiling of all that is ever asked for."""
        return scopes.parse_granted(self.record.scopes)

    @property
    def dead(self) -> bool:
        """Whether only signing in again helps."""
        return self.record.state == "dead"

    @property
    def state(self) -> tuple[str, str]:
        """(good, dead or unknown; the reason)."""
        if self.dead:
            return "dead", self.record.reason
        return ("unknown", self.trouble) if self.trouble else ("good", self.record.reason)


#: told of every change: user, state, reason
Report = Callable[[str, str, str], None]


class Sessions:
    """All sessions, by hub user."""

    def __init__(self, store: SecretStore, report: Report) -> None:
        self._store = store
        self._report = report
        self._known: dict[str, Session] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, user: str) -> AsyncIterator[Session | None]:
        """The session under its lock, None when there is none. Raises StoreError."""
        async with self._locks[user]:
            yield await self._load(user)

    async def peek(self, user: str) -> Session | None:
        """The session as it is now, without waiting for whoever uses it. Raises StoreError."""
        if user in self._known:
            return self._known[user]
        async with self.hold(user) as session:
            return session

    async def open(self, record: Record, person_uid: str) -> Record | None:
        """Takes a session that a person has just signed in for; returns what it replaces. Raises StoreError."""
        async with self._locks[record.user]:
            before = await self._load_quietly(record.user)
            await self._store.write(record, person_uid)
            self._known[record.user] = Session(record, told=True)
        self._report(record.user, "good", SIGNED_IN)
        return before.record if before else None

    async def close(self, user: str, reason: str = SIGN_IN_AGAIN) -> None:
        """Removes a user's session; the caller holds it. Raises StoreError."""
        await self._store.delete(user)
        self._known.pop(user, None)
        self._report(user, "dead", reason)

    async def erase(self, user: str) -> None:
        """Removes the session of a person who is none any more. Raises StoreError."""
        async with self._locks[user]:
            self._known.pop(user, None)
            await self._store.delete(user)

    def forget_vo(self, vo: str) -> None:
        """Drops the sessions of a VO from memory; the Secrets stay."""
        for user, session in list(self._known.items()):
            if session.record.vo == vo and not session.unsaved:
                del self._known[user]

    async def rotate(self, session: Session, refresh_token: str) -> None:
        """Keeps the refresh token that takes the place of the old one; the caller holds the session.

        Raises:
            StoreError: it is in memory only; `save` must succeed before the session is used again.
        """
        session.record = replace(session.record, refresh_token=refresh_token)
        session.unsaved = True
        self._known[session.record.user] = session
        await self.save(session)

    async def save(self, session: Session) -> None:
        """Writes what the Secret does not have yet. Raises StoreError."""
        if session.unsaved:
            await self._store.write(session.record)
            session.unsaved = False

    def good(self, session: Session) -> None:
        """Notes that the issuer has just answered well."""
        if session.trouble is not None or not session.told:
            session.trouble, session.told = None, True
            self._report(session.record.user, "good", session.record.reason)

    def unknown(self, session: Session, reason: str) -> None:
        """Notes that nothing is known at the moment, and why."""
        if session.trouble != reason:
            session.trouble = reason
            self._report(session.record.user, "unknown", reason)

    async def learn(self, session: Session, groups: tuple[str, ...], moment: float) -> None:
        """Keeps the groups that the issuer has just asserted; the caller holds the session. Raises StoreError."""
        session.record = replace(session.record, groups=groups, groups_at=moment)
        session.unsaved = True
        await self.save(session)

    async def bury(self, session: Session, reason: str = SIGN_IN_AGAIN) -> None:
        """Notes that only signing in again helps, and throws the useless refresh token away. Never raises."""
        session.record = replace(session.record, state="dead", reason=reason, refresh_token="")
        session.unsaved = True
        self._report(session.record.user, "dead", reason)
        try:
            await self.save(session)
        except StoreError as error:
            log.warning("session of %s is dead, and its Secret still holds the old one: %s", session.record.user, error)

    async def newer(self, session: Session) -> bool:
        """Takes over a refresh token that somebody else stored meanwhile; whether there was one."""
        stored = await self._read(session.record.user)
        if stored is None or stored.state == "dead" or stored.refresh_token == session.record.refresh_token:
            return False
        session.record = stored
        return True

    async def flush(self) -> None:
        """Writes all that is unsaved, as far as that goes: the last act before the process ends."""
        for session in list(self._known.values()):
            try:
                await self.save(session)
            except StoreError as error:
                log.error("the session of %s could not be saved: %s", session.record.user, error)

    async def _load(self, user: str) -> Session | None:
        if user not in self._known:
            record = await self._read(user)
            if record is None:
                return None
            self._known[user] = session = Session(record)
            if session.dead:  # said again, should the last process not have come to it
                self._report(user, *session.state)
        return self._known[user]

    async def _load_quietly(self, user: str) -> Session | None:
        try:
            return await self._load(user)
        except StoreError:
            return None

    async def _read(self, user: str) -> Record | None:
        try:
            return await self._store.read(user)
        except UnreadableError as error:
            log.warning("session of %s: %s; the person has to sign in again", user, error)
            return None
