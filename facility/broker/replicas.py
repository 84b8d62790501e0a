"""Who else works: this replica keeps its own Lease alive, and watches whether the others do the same.

A replica is taken for gone only after its Lease has not changed for `life` seconds by the watcher's own clock, and only
by a write that the API server refuses if it has changed after all. From then on its identity is over, and should it
still be there, it finds out at its next renewal; by its own clock it has stopped long before.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable

from facility.broker.leases import Lease, Leases, Me, Terms
from facility.kubernetes import ApiError

log = logging.getLogger(__name__)


class Replicas:
    """This replica among the others. `now` gives seconds of a clock that never jumps."""

    def __init__(self, leases: Leases, me: Me, terms: Terms, now: Callable[[], float] = time.monotonic) -> None:
        self._leases, self._me, self._terms, self._now = leases, me, terms, now
        self.identity = ""
        self._mine: Lease | None = None
        self._until = float("-inf")
        self._seen: dict[str, tuple[Lease | None, float]] = {}

    @property
    def left(self) -> float:
        """Seconds for which this replica may count on not being taken for gone; none: 0."""
        return max(0.0, self._until - self._now())

    async def renew(self) -> bool:
        """Renews this replica's Lease; whether it goes on under the same identity. Raises ApiError: not known."""
        begun = self._now()
        try:
            if self._mine is not None:
                self._mine = await self._leases.renew(self._mine)
                self._until = begun + self._terms.deadline
                return True
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            log.warning("this replica was taken for gone, or its own write went unanswered: %s", error)
        self._until = float("-inf")
        await self._join(begun)
        return False

    async def _join(self, begun: float) -> None:
        self._mine = None
        identity = f"{self._me.pod}_{secrets.token_hex(4)}"
        self._mine = await self._leases.join(identity, await self._leases.mine())
        self.identity, self._until = identity, begun + self._terms.deadline

    async def leaving(self) -> None:
        """Nobody gives this replica anything from now on. Raises ApiError."""
        if self._mine is None:
            return
        try:
            self._mine = await self._leases.leaving(self._mine)
        except ApiError as error:
            if error.status not in (404, 409):  # taken for gone: the next renewal finds out
                raise

    async def leave(self) -> None:
        """Nobody has to wait until this replica is gone. Raises ApiError."""
        self._until = float("-inf")
        if self._mine is not None:
            await self._leases.void(self._mine)
            self._mine = None

    def look(self, leases: Iterable[Lease]) -> None:
        """Takes in what was listed: who has renewed since the last look, and who has gone."""
        now, found = self._now(), {lease.name: lease for lease in leases if lease.shard is None}
        for name in self._seen.keys() | found.keys():
            lease, (before, _) = found.get(name), self._seen.get(name, (None, 0.0))
            if name not in self._seen or lease != before:
                self._seen[name] = lease, now

    def alive(self) -> dict[str, Lease]:
        """The replicas that work, by pod, this one included once it has joined."""
        now, life = self._now(), self._terms.life
        others = {
            name: lease
            for name, (lease, since) in self._seen.items()
            if lease is not None and lease.holder and now < since + life and name != self._me.pod
        }
        return others | ({self._me.pod: self._mine} if self._mine is not None and self.left else {})

    async def over(self, identity: str) -> bool:
        """Whether an identity is over for good, made so now if it has not been renewed. Raises ApiError."""
        pod = identity.rpartition("_")[0]
        lease, since = self._seen.setdefault(pod, (None, self._now()))
        if lease is not None and lease.holder != identity:
            return True
        if self._now() < since + self._terms.life:
            return False
        if lease is not None:
            voided = await self._leases.void(lease)  # refused if it has been renewed
            self._seen[pod] = voided, self._now()
            log.warning("replica %s has not been heard of for %.0f s: its shards are taken", pod, self._terms.life)
        return True
