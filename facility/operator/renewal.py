"""Execute pods that wait long for a node have a fresh identity when they begin.

A token is made with its pod and good for two days (`facility.condor.idtoken`). A pod that found its node after one day
would retire at once, after two it could not attach itself at all. So as long as it has no node its Secret is renewed;
afterwards the pod lives with what it has begun with.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from facility.operator.cluster import ClusterError
from facility.operator.entries import Pod
from facility.users import FacilityUser

_LOG = logging.getLogger(__name__)
#: seconds; together with what pods may be old on their node it is less than half of a token's life
EVERY = 3600.0
_MOST = 20  # renewals of one round: the others' turn comes with the next


class Renewal:
    """Renews tokens of pods without a node."""

    def __init__(self, now: Callable[[], float], renew: Callable[[str, FacilityUser], Awaitable[None]]) -> None:
        """`renew`: gives the pod of that name another token of that person; raises ClusterError."""
        self._now, self._renew = now, renew
        self._renewed: dict[str, float] = {}

    async def look(self, pods: Mapping[str, Pod], people: Mapping[str, FacilityUser]) -> None:
        """Renew what is due. people: by owner; nobody else's pods get a token. What fails is tried again in an hour."""
        waiting = {name: pod for name, pod in pods.items() if pod.phase == "Pending" and not (pod.placed or pod.going)}
        self._renewed = {name: self._renewed.get(name, pod.made) for name, pod in waiting.items()}
        due = [name for name, pod in waiting.items() if pod.owner in people and self._age(name) >= EVERY]
        for name in sorted(due, key=self._age, reverse=True)[:_MOST]:
            self._renewed[name] = self._now()
            try:
                await self._renew(name, people[waiting[name].owner])
            except ClusterError as error:
                _LOG.warning("the token of execute pod %s is renewed later: %s", name, error)

    def _age(self, name: str) -> float:
        return self._now() - self._renewed[name]
