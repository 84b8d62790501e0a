"""Which replica may use whose refresh token: people are spread over shards, and a shard has one holder at a time.

Pure rules: what a person's shard is, and how shards are dealt out among the replicas that live. Who holds what now is
in Leases (`leases`), where any administrator can see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

#: as many as there are; another number needs all replicas to end first
SHARDS = 16


class MovedError(Exception):
    """This replica may not use the session's refresh token now: another one may, or nobody knows yet."""


class Shards(Protocol):
    """Whose sessions this replica may use (`holding.Holding`)."""

    def held(self, owner: str) -> bool:
        """Whether this owner's session is used here."""

    def owns(self, owner: str) -> bool:
        """Whether it is written here: also while it is being handed over."""

    def check(self, owner: str, least: float = 0.0) -> None:
        """Raises MovedError unless it is, for more than `least` seconds."""

    def using(self, owner: str) -> AbstractContextManager[None]:
        """Keeps it here. Raises MovedError."""


class Alone:
    """The only replica there is."""

    def held(self, _: str) -> bool:
        """Everybody's."""
        return True

    def owns(self, _: str) -> bool:
        """Everybody's."""
        return True

    def check(self, _: str, _least: float = 0.0) -> None:
        """Never moved."""

    def using(self, _: str) -> AbstractContextManager[None]:
        """Stays anyway."""
        return nullcontext()


@lru_cache(maxsize=65536)  # asked several times with each token
def shard_of(owner: str) -> int:
    """The shard of a hub user, or of a VO as far as its cache's tokens are concerned."""
    return int.from_bytes(sha256(owner.encode()).digest()) % SHARDS


def dealt(replicas: Iterable[str]) -> Mapping[int, str]:
    """The replica that each shard should have; none when there are no replicas.

    Rendezvous hashing, but nobody gets more than their share: each shard goes to the replica that wants it most and has
    room. All who see the same replicas find the same, and when one comes or goes little else moves.
    """
    known = sorted(set(replicas))
    if not known:
        return {}
    room = dict.fromkeys(known, -(-SHARDS // len(known)))
    found: dict[int, str] = {}
    for shard in range(SHARDS):
        found[shard] = max((one for one in known if room[one]), key=lambda one: _wish(shard, one))
        room[found[shard]] -= 1
    return found


def _wish(shard: int, replica: str) -> bytes:
    return sha256(f"{shard}/{replica}".encode()).digest()
