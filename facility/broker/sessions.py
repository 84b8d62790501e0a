"""Sessions: who has signed in, with what refresh token, and whether it is still good.

The store is the truth, memory a copy for as long as this replica holds the person's shard. Whoever uses a refresh token
holds the session's lock while doing so, and one that the issuer has rotated is stored before anything that came with it
is used. Every write names the version that it replaces: what another writer did meanwhile is seen, and merged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from facility.broker.merging import merged
from facility.broker.shards import Alone, Shards
from facility.broker.store import (
    ConflictError,
    Kind,
    LockedError,
    Record,
    Store,
    StoreError,
    UnreadableError,
    from_content,
)
from facility.broker.store import to_content as content_of
from facility.tokens import scopes
from facility.tokens.scopes import Scope

log = logging.getLogger(__name__)

SIGNED_IN, SIGN_IN_AGAIN = "SignedIn", "SignInAgain"
NOT_IN_GROUP, VO_CLOSED = "NotInGroup", "VOClosed"
ISSUER_UNAVAILABLE, CLIENT_REFUSED, ANSWER_REFUSED = "IssuerUnavailable", "ClientRefused", "AnswerRefused"
TRIES = 4  # writes against somebody who keeps writing


@dataclass
class Session:
    """A session in memory. `trouble` is why nothing is known of its state now; `unsaved`: the store is behind;
    `told`: the person's object has been told of its state since it came into memory; `stored` and `version`: what the
    store had last, as far as this replica knows.
    """

    record: Record
    trouble: str | None = None
    unsaved: bool = False
    told: bool = False
    version: str | None = None
    stored: Record | None = field(default=None)

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
    """All sessions, by hub user. `least`: seconds for which a shard must be held when a refresh token is used."""

    def __init__(self, store: Store, report: Report, shards: Shards | None = None, least: float = 0.0) -> None:
        self._store = store
        self._report = report
        self._shards = shards or Alone()
        self._least = least
        #: how often refresh tokens of a VO were sent
        self.uses: Counter[str] = Counter()
        self._known: dict[str, Session] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, user: str) -> AsyncIterator[Session | None]:
        """The session under its lock, None when there is none. Raises StoreError, MovedError."""
        async with self._locks[user]:
            with self._shards.using(user):
                yield await self._load(user)

    def permit(self, session: Session) -> None:
        """To be called in the moment before a refresh token goes out. Raises MovedError: not now, and not from here."""
        self._shards.check(session.record.user, self._least)
        self.uses[session.record.vo] += 1

    async def peek(self, user: str) -> Session | None:
        """The session as it is now, without waiting for whoever uses it; of another's shard, as it is stored.

        Raises:
            StoreError
        """
        if not self._shards.held(user):
            return await self._read(user)
        if user in self._known:
            return self._known[user]
        async with self._locks[user]:
            return await (self._load(user) if self._shards.held(user) else self._read(user))

    async def open(self, record: Record, person_uid: str) -> Record | None:
        """Takes a session that a person has just signed in for; returns what it replaces. Raises StoreError."""
        async with self._locks[record.user]:
            with self._shards.using(record.user):
                before = await self._load_quietly(record.user)
                await self._replace(record, before, person_uid)
        self._report(record.user, "good", SIGNED_IN)
        return before.record if before else None

    async def close(self, user: str, reason: str = SIGN_IN_AGAIN) -> None:
        """Removes a user's session; the caller holds it. Raises StoreError."""
        await self._store.delete(Kind.SESSION, user)
        self._known.pop(user, None)
        self._report(user, "dead", reason)

    async def erase(self, user: str) -> Record | None:
        """Removes the session of a person who is none any more; what it was, if memory had it.

        Raises:
            StoreError: it is stored still, and dead here.
        """
        async with self._locks[user]:
            session = self._known.get(user)
            if session is not None:
                session.record = replace(session.record, state="dead", reason=SIGN_IN_AGAIN)
            await self._store.delete(Kind.SESSION, user)
            self._known.pop(user, None)
            return session.record if session else None

    def forget(self, which: Callable[[Record], bool]) -> None:
        """Drops sessions from memory; what is stored stays, and so does what could not be stored yet."""
        for user, session in list(self._known.items()):
            if which(session.record) and not session.unsaved:
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
        """Writes what the store does not have yet. Raises StoreError."""
        for _ in range(TRIES):
            if not session.unsaved:
                return
            try:
                session.version = await self._store.write(Kind.SESSION, content_of(session.record), session.version)
            except ConflictError:
                await self._merge(session)
            else:
                session.stored, session.unsaved = session.record, False
        if session.unsaved:
            raise StoreError(f"the session of {session.record.user} is written by somebody else all the time")

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
        news = set(session.record.groups or ()) != set(groups)
        session.record = replace(session.record, groups=groups, groups_at=moment)
        session.unsaved = True
        await self.save(session)
        if news:
            self._report(session.record.user, *session.state)

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """The groups of a session that is in memory, None when they are not known."""
        session = self._known.get(user)
        return session.record.groups if session else None

    async def bury(self, session: Session, reason: str = SIGN_IN_AGAIN) -> None:
        """Notes that only signing in again helps, and throws the useless refresh token away. Never raises."""
        session.record = replace(session.record, state="dead", reason=reason, refresh_token="")
        session.unsaved = True
        try:
            await self.save(session)
        except StoreError as error:
            log.warning("session of %s is dead, and the store still has the old one: %s", session.record.user, error)
        self._report(session.record.user, *session.state)

    async def newer(self, session: Session) -> bool:
        """Takes over a refresh token that somebody else stored meanwhile; whether there was one."""
        found = await self._read(session.record.user)
        if found is None or found.dead or found.record.refresh_token == session.record.refresh_token:
            return False
        session.record, session.stored, session.version = found.record, found.record, found.version
        return True

    async def flush(self, which: Callable[[Record], bool] = lambda _: True) -> None:
        """Writes all that is unsaved, as far as that goes. Never raises."""
        for session in [one for one in self._known.values() if one.unsaved and which(one.record)]:
            try:
                await self.save(session)
            except StoreError as error:
                log.error("the session of %s could not be saved: %s", session.record.user, error)

    def known(self, vo: str) -> list[Session]:
        """Those of a VO that are in memory."""
        return [session for session in self._known.values() if session.record.vo == vo]

    def tally(self) -> Counter[tuple[str, str, str]]:
        """How many sessions in memory there are, by VO, state and reason."""
        return Counter((one.record.vo, *one.state) for one in self._known.values())

    async def _replace(self, record: Record, before: Session | None, person_uid: str) -> None:
        """Writes a new session over whatever there is: a person has just signed in, nothing is newer."""
        version = before.version if before else None
        for _ in range(TRIES):
            try:
                version = await self._store.write(Kind.SESSION, content_of(record), version, person_uid)
            except ConflictError:
                version = await self._version(record.user)
            else:
                self._known[record.user] = Session(record, told=True, version=version, stored=record)
                return
        raise StoreError(f"the session of {record.user} is written by somebody else all the time")

    async def _version(self, user: str) -> str | None:
        """The version of what is stored; a document that nobody can open makes room."""
        try:
            found = await self._store.read(Kind.SESSION, user)
        except (UnreadableError, LockedError):
            await self._store.delete(Kind.SESSION, user)
            return None
        return found.version if found else None

    async def _merge(self, session: Session) -> None:
        """Brings a session up to what somebody else has stored. Raises StoreError."""
        user = session.record.user
        found = await self._read(user)
        if found is None:
            self._known.pop(user, None)
            raise StoreError(f"the session of {user} has been removed meanwhile")
        if not self._shards.owns(user):
            self._known.pop(user, None)
            session.unsaved = False
            raise StoreError(f"the session of {user} is another replica's, which has written it")
        session.record = merged(session.stored, session.record, found.record)
        session.version, session.stored = found.version, found.record
        session.unsaved = session.record != found.record

    async def _load(self, user: str) -> Session | None:
        if user not in self._known:
            session = await self._read(user)
            if session is None:
                return None
            self._known[user] = session
            if session.dead:  # said again, should the last process not have come to it
                self._report(user, *session.state)
        return self._known[user]

    async def _load_quietly(self, user: str) -> Session | None:
        try:
            return await self._load(user)
        except StoreError:
            return None

    async def _read(self, user: str) -> Session | None:
        try:
            found = await self._store.read(Kind.SESSION, user)
            record = from_content(found.content) if found else None
        except UnreadableError as error:
            log.warning("session of %s: %s; the person has to sign in again", user, error)
            return None
        return Session(record, version=found.version, stored=record) if found and record else None
