"""Who is asking, without asking the API server each time, nor letting anybody keep it busy with nonsense.

A caller who was found out is known by a digest of their token for a minute, and never longer than the token is good.
The API server itself holds reviewed tokens for good for 10 seconds after their pod has gone; here it is that much more.
What keeps people from tokens, an ended session or a closed VO, is looked at in every request all the same.

Whoever sends tokens that the API server refuses is soon told to wait, by address: all others are served meanwhile. The
same goes for more tokens at a time than any pod has. Another replica is spared that: it has reviewed what it forwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

from facility.broker import errors, identity
from facility.broker.errors import BrokerError
from facility.broker.identity import Caller, Identity
from facility.tokens.claims import unverified

KEEP = 60.0  # seconds
MOST = 20_000  # callers who are remembered, and addresses
UNKNOWN = 20  # tokens of one address that are under review or were refused, until it has to wait
PACE = 1.0  # by how many fewer these are after each second


class Callers:
    """Callers by their tokens. `now` gives seconds since the epoch, `peer` says whether an address is a replica's."""

    def __init__(
        self, identity: Identity, now: Callable[[], float], peer: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._identity = identity
        self._now = now
        self._peer = peer
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Caller]] = {}
        self._debts: dict[str, tuple[float, float]] = {}

    async def of(self, token: str, address: str) -> Caller:
        """Who presents this token. Raises BrokerError: 401 not accepted, 403 not served, 429 too many, 503 unknown."""
        digest = sha256(token.encode(errors="replace")).digest()
        known = self._known.get(digest)
        if known is not None and self._now() < known[1]:
            return known[0]
        identity.look(token)
        return await asyncio.shield(self._asking.get(digest) or self._review(digest, token, address))

    def _review(self, digest: bytes, token: str, address: str) -> asyncio.Task[Caller]:
        if not self._peer(address):
            self._charge(address)
        self._asking[digest] = task = asyncio.create_task(self._ask(digest, token))
        task.add_done_callback(lambda done: self._reviewed(digest, address, done))
        return task

    def _reviewed(self, digest: bytes, address: str, task: asyncio.Task[Caller]) -> None:
        """Refused tokens stay on the account of their address, others do not."""
        del self._asking[digest]
        error = None if task.cancelled() else task.exception()
        if not isinstance(error, BrokerError) or error.status == 503:
            self._give_back(address)

    async def _ask(self, digest: bytes, token: str) -> Caller:
        caller = await self._identity.of(token)
        self._known.pop(digest, None)
        if len(self._known) >= MOST:  # the oldest is the first
            del self._known[next(iter(self._known))]
        self._known[digest] = caller, self._until(token)
        return caller

    def _until(self, token: str) -> float:
        """Until when a token that the API server has just accepted is believed."""
        ends = unverified(token)[1].get("exp")
        limit = self._now() + KEEP
        return min(limit, ends) if isinstance(ends, int | float) else limit

    def _charge(self, address: str) -> None:
        """One more for this address. Raises BrokerError 429 when that is too many."""
        now = self._now()
        owed, at = self._debts.pop(address, (0.0, now))
        owed = max(0.0, owed - max(0.0, now - at) * PACE)
        if len(self._debts) >= MOST:
            del self._debts[next(iter(self._debts))]
        self._debts[address] = min(owed + 1, UNKNOWN), now
        if owed + 1 > UNKNOWN:
            raise errors.too_many("too many tokens that are none came from this address", retry_after=5)

    def _give_back(self, address: str) -> None:
        if address in self._debts:
            owed, at = self._debts[address]
            self._debts[address] = max(0.0, owed - 1), at
