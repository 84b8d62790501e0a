"""Which execute pods to make now: a pure decision from queues, living pods and the VOs' limits.

A pod has one size and works for one owner until it has been idle for a while. So an owner with waiting jobs and no
living pod gets one, as far as their VO's limit goes: who has waited without any first, the rest at a later round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facility import names
from facility.condor.jobs import OwnerJobs


@dataclass(frozen=True)
class ExecutePod:
    """An execute pod that exists and has not ended."""

    name: str
    owner: str


def wanted(queues: Iterable[OwnerJobs], pods: Iterable[ExecutePod], limits: Mapping[str, int]) -> tuple[str, ...]:
    """Owners who get one execute pod each now, in a stable order, each at most once.

    Args:
        queues: one entry for each owner and access point.
        pods: all execute pods that have not ended, starting ones too.
        limits: by VO, how many of them it may have (`spec.batch.maxExecutePods`); a VO that is not in it gets none.
    """
    alive = Counter(pod.owner for pod in pods)
    room = Counter(dict(limits))
    room.subtract(vo for owner in alive.elements() if (vo := _vo(owner)))
    chosen: list[str] = []
    for owner in _waiting(queues, alive):
        vo = _vo(owner)
        if vo and room[vo] > 0:
            room[vo] -= 1
            chosen.append(owner)
    return tuple(chosen)


def _waiting(queues: Iterable[OwnerJobs], alive: Counter[str]) -> list[str]:
    """Owners with idle jobs and no pod: the longest wait first."""
    since: dict[str, float] = {}
    for queue in queues:
        if queue.idle and not alive[queue.owner]:
            since[queue.owner] = min(queue.waiting_since, since.get(queue.owner, queue.waiting_since))
    return sorted(since, key=lambda owner: (since[owner], owner))


def _vo(owner: str) -> str | None:
    try:
        return names.split_owner(owner)[0]
    except names.BadNameError:
        return None
