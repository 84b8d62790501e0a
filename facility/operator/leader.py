"""Which replica works: the one that holds the Lease `operator` (coordination.k8s.io/v1). The others stand by.

A holder that could not renew the lease for `deadline` seconds stops; others take it over when they have seen no
renewal for `life` seconds by their own clocks, which need not agree. As `deadline` is well below `life`, and as every
write asks first whether the lease is held, two never work at a time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from facility.operator.cluster import Cluster, ClusterError, ConflictError
from facility.operator.objects import LEASE, Manifest, Reference

_LOG = logging.getLogger(__name__)
NAME = "operator"


class LostError(Exception):
    """The lease is not held any more: this process must not go on."""


class Leader:
    """A candidate. `identity`: nobody else's, such as the pod's name; times are in seconds."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        identity: str,
        now: Callable[[], float] = time.monotonic,
        life: float = 12,
        deadline: float = 8,
        period: float = 2,
    ) -> None:
        self._cluster, self._identity, self._now = cluster, identity, now
        self._ref = Reference(LEASE, namespace, NAME)
        self._life, self._deadline, self._period = life, deadline, period
        self._until = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)
        self._mine: Manifest | None = None

    @property
    def held(self) -> bool:
        """Whether this replica may write."""
        return self._now() < self._until

    def check(self) -> None:
        """Raises ClusterError unless the lease is held."""
        if not self.held:
            raise ClusterError("this replica does not hold the lease: it writes nothing")

    async def acquire(self) -> None:
        """Wait until the lease is held."""
        told = False
        while not await self._try():
            if not told:
                _LOG.info("another replica works; this one stands by")
                told = True
            await asyncio.sleep(self._period * random.uniform(0.8, 1))  # noqa: S311 - spread, not secrecy
        _LOG.info("%s holds the lease", self._identity)

    async def keep(self) -> None:
        """Renew it for ever. Raises LostError when that has failed for too long, or another one has it."""
        try:
            while True:
                async with asyncio.timeout(max(0.0, self._until - self._now())):
                    await asyncio.sleep(self._period)
                    if not await self._try() and not self.held:
                        raise LostError(f"{self._ref} is another's now")
        except TimeoutError:
            raise LostError(f"{self._ref} could not be renewed in time") from None

    async def release(self) -> None:
        """Let the next one have it at once."""
        if not self.held:
            return
        self._until = float("-inf")
        try:
            lease = await self._cluster.read(self._ref)
            if lease and _spec(lease).get("holderIdentity") == self._identity:
                version = {"resourceVersion": lease["metadata"]["resourceVersion"]}
                await self._cluster.merge(self._ref, {"metadata": version, "spec": {"holderIdentity": None}})
        except ClusterError as error:
            _LOG.info("the lease ends by itself: %s", error)

    async def _try(self) -> bool:
        """Take or renew it; False when that was not possible, or the API server did not answer."""
        begun, mine = self._now(), self._mine
        self._mine = None
        try:
            self._mine = await self._write(mine or await self._cluster.read(self._ref))
        except ConflictError:
            pass  # somebody was faster: look again
        except ClusterError as error:
            _LOG.warning("the lease: %s", error)
        if self._mine:
            self._until = begun + self._deadline
        return self._mine is not None

    async def _write(self, lease: Manifest | None) -> Manifest | None:
        """The lease as it is now that it is this replica's; None while it is another's."""
        if lease is None:
            meta = {"name": self._ref.name, "namespace": self._ref.namespace}
            manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta}
            return await self._cluster.create({**manifest, "spec": self._renewed({})})
        holder = _spec(lease).get("holderIdentity")
        if holder not in (None, "", self._identity) and not self._over(lease):
            self._until = min(self._until, self._now())
            return None
        version = {"resourceVersion": lease["metadata"]["resourceVersion"]}
        return await self._cluster.merge(self._ref, {"metadata": version, "spec": self._renewed(_spec(lease))})

    def _over(self, lease: Manifest) -> bool:
        """Whether it has not been renewed for its whole life, as far as this replica has seen."""
        version = str(lease["metadata"]["resourceVersion"])
        if version != self._seen[0]:
            self._seen = version, self._now()
        return self._now() - self._seen[1] >= self._life

    def _renewed(self, spec: Manifest) -> Manifest:
        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        result = {"holderIdentity": self._identity, "leaseDurationSeconds": math.ceil(self._life), "renewTime": now}
        if spec.get("holderIdentity") != self._identity:
            transitions = spec.get("leaseTransitions")
            result |= {"acquireTime": now, "leaseTransitions": 0 if transitions is None else transitions + 1}
        return result


def _spec(lease: Manifest) -> Manifest:
    return lease.get("spec") or {}
