"""Access tokens that are still good survive the process: with them, a restart of everything asks no issuer.

They are written some seconds after they came, once for all that came meanwhile, and not more often than every ten
seconds for one person; what is dropped is deleted at once. They are read when somebody is asked about for the first
time. Losing them is no harm, so nobody waits for a write; but of a session that has ended none may come back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from facility.broker.cache import Entry, Key, Token
from facility.broker.store import ConflictError, Content, Kind, Store, StoreError, UnreadableError, vo_of

log = logging.getLogger(__name__)
SOON, SELDOM = 2.0, 10.0  # seconds until a write, and between two of one owner
AGAIN = 2.0  # seconds until what failed is tried again
PARALLEL = 8  # writes at the same time

#: what is in memory of a VO and a user of it
Entries = Callable[[str, str], list[Entry]]


class Shelf:
    """Writes and reads documents of tokens.

    `issuer` gives the issuer that a VO has now, None for one that is not here or closed; `uid` that of a person's
    object; `pulse` seconds of a clock that never jumps. `entries` is set by the cache that this is the shelf of.
    """

    def __init__(
        self,
        store: Store,
        issuer: Callable[[str], str | None],
        uid: Callable[[str], str | None],
        owns: Callable[[str], bool],
        pulse: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.entries: Entries = lambda _vo, _user: []
        self._store, self._issuer, self._uid, self._owns = store, issuer, uid, owns
        self._pulse, self._sleep = pulse, sleep
        self._versions: dict[str, str | None] = {}
        self._due: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._cleared: dict[str, float] = {}
        self._drops: Counter[str] = Counter()
        self._void: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._few = asyncio.Semaphore(PARALLEL)
        self._wake = asyncio.Event()

    def changed(self, key: Key) -> None:
        """A token of this owner has come or gone."""
        owner, now = owner_of(key.vo, key.user), self._pulse()
        gone = not self.entries(key.vo, key.user)
        due = now if gone else max(now + SOON, self._written.get(owner, 0.0) + SELDOM)
        self._due[owner] = min(due, self._due.get(owner, due))
        self._wake.set()

    def drop(self, vo: str, user: str | None) -> None:
        """All tokens of an owner, or of a whole VO, are void: to be called when memory has none of them any more."""
        self._wake.set()
        if user is not None:
            self._drops[owner_of(vo, user)] += 1
            self._void.add(owner_of(vo, user))
            self._due[owner_of(vo, user)] = self._pulse()
            return
        self._drops[vo] += 1
        for owner in [owner for owner in self._due if vo_of(owner) == vo]:
            del self._due[owner]
        self._cleared[vo] = self._pulse()

    def drops(self, vo: str, user: str) -> tuple[int, int]:
        """Another value after each drop of this owner's tokens: whoever waits for something sees whether it counts."""
        return self._drops[owner_of(vo, user)], self._drops[vo]

    def forget(self, which: Callable[[str], bool]) -> None:
        """The documents of these owners are another replica's business."""
        for owner in [owner for owner in {*self._versions, *self._due} if which(owner)]:
            self._versions.pop(owner, None)
            self._due.pop(owner, None)

    def read_before(self, owner: str) -> bool:
        """Whether memory has what an earlier process kept of an owner."""
        return owner in self._versions

    async def recall(self, vo: str, user: str) -> list[Entry]:
        """What an earlier process has kept of an owner; nothing when that has been read already."""
        owner = owner_of(vo, user)
        async with self._locks[owner]:
            return [] if self.read_before(owner) else await self.read(vo, user)

    async def read(self, vo: str, user: str) -> list[Entry]:
        """What is kept of an owner. While that is not known: nothing."""
        owner, issuer = owner_of(vo, user), self._issuer(vo)
        drops = self.drops(vo, user)
        try:
            found = await self._store.read(Kind.TOKENS, owner)
        except UnreadableError as error:
            log.warning("tokens of %s: %s", owner, error)
            self.drop(vo, user)
            return []
        except StoreError as error:
            log.warning("tokens of %s not read: %s", owner, error)
            return []
        if self._owns(owner):
            self._versions[owner] = found.version if found else None
        if found is None or issuer is None or drops != self.drops(vo, user):
            return []
        return entries_in(vo, user, found.content, issuer)

    async def run(self) -> None:
        """Writes what is due, until cancelled."""
        while True:
            await self._write_all(self._pulse())
            self._wake.clear()
            now = self._pulse()
            next_one = min([*self._due.values(), *self._cleared.values()], default=None)
            try:
                async with asyncio.timeout(None if next_one is None else max(AGAIN / 20, next_one - now)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def flush(self, which: Callable[[str], bool] = lambda _: True) -> None:
        """Writes what is not written yet, due or not, as far as that goes: once."""
        await self._write_all(float("inf"), which)
        for owner in [owner for owner, lock in self._locks.items() if lock.locked() and which(owner)]:
            async with self._locks[owner]:  # what was being written is written now
                continue

    async def _write_all(self, until: float, which: Callable[[str], bool] = lambda _: True) -> None:
        for vo in [vo for vo, due in self._cleared.items() if due <= until]:
            await self._clear(vo)
        owners = [owner for owner, due in self._due.items() if due <= until and which(owner)]
        await asyncio.gather(*(self._write(owner) for owner in owners))

    async def _clear(self, vo: str) -> None:
        if self._cleared.pop(vo, None) is None:
            return
        try:
            await self._store.clear(Kind.TOKENS, vo)
        except StoreError as error:
            log.warning("tokens of %s not removed yet: %s", vo, error)
            self._cleared[vo] = self._pulse() + AGAIN
            return
        self._versions.update({owner: None for owner in self._versions if vo_of(owner) == vo})

    async def _write(self, owner: str) -> None:
        """Brings an owner's document to what memory has; what is dropped meanwhile is due again by itself."""
        async with self._few, self._locks[owner]:
            if self._due.pop(owner, None) is None:
                return
            try:
                await self._store_one(owner)
            except StoreError as error:
                log.warning("tokens of %s not written: %s", owner, error)
                self._due.setdefault(owner, self._pulse() + AGAIN)

    async def _store_one(self, owner: str) -> None:
        vo, user = vo_of(owner), owner if owner != vo_of(owner) else ""
        content, held = self._content(vo, user), self._owns(owner)
        if content is None and (held or owner in self._void):
            self._void.discard(owner)
            await self._remove(owner, held)
        if content is None or not held:
            return
        try:
            version = await self._put(owner, content, self._versions.get(owner))
        except ConflictError:
            version = await self._put(owner, content, await self._version(owner))
        self._versions[owner], self._written[owner] = version, self._pulse()
        if self._content(vo, user) is None:
            self.drop(vo, user)

    async def _version(self, owner: str) -> str | None:
        """The version of what is stored; what nobody can open makes room."""
        try:
            found = await self._store.read(Kind.TOKENS, owner)
        except UnreadableError:
            await self._store.delete(Kind.TOKENS, owner)
            return None
        return found.version if found else None

    async def _remove(self, owner: str, held: bool) -> None:
        if not held or self._versions.get(owner, "") is not None:
            try:
                await self._store.delete(Kind.TOKENS, owner)
            except StoreError:
                self._void.add(owner)
                raise
        if held:
            self._versions[owner] = None

    async def _put(self, owner: str, content: Content, version: str | None) -> str:
        return await self._store.write(Kind.TOKENS, content, version, self._uid(owner))

    def _content(self, vo: str, user: str) -> Content | None:
        entries, issuer = self.entries(vo, user), self._issuer(vo)
        if not entries or issuer is None:
            return None
        return {"user": owner_of(vo, user), "issuer": issuer, "tokens": [_plain(entry) for entry in entries]}


def owner_of(vo: str, user: str) -> str:
    """Whose document it is: the user's, or the VO's own."""
    return user or vo


def _plain(entry: Entry) -> Content:
    token = entry.token
    return {
        "audience": entry.key.audience,
        "asked": entry.key.scope,
        "token": token.value,
        "scope": token.scope,
        "expires": token.expires,
        "life": entry.life,
    }


def entries_in(vo: str, user: str, content: Content, issuer: str) -> list[Entry]:
    """The tokens of a document, as far as they are of the VO's issuer; none where it is not as this version has it."""
    if content.get("issuer") != issuer:
        return []
    try:
        return [_entry(vo, user, one) for one in content.get("tokens") or []]
    except (LookupError, TypeError, ValueError):
        log.warning("tokens of %s: written by another version; they are asked for again", owner_of(vo, user))
        return []


def _entry(vo: str, user: str, one: Content) -> Entry:
    key = Key(vo, user, str(one["audience"]), str(one["asked"]))
    return Entry(key, Token(str(one["token"]), str(one["scope"]), float(one["expires"])), float(one["life"]))
