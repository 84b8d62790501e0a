"""Weighted max-min by whole pods: who has least for their share gets the next one, as long as limits and room allow.

VOs among each other first, then people within a VO. Everybody's first pod comes before anybody's second; between equals
the one comes first who has used less and waited longer, and who has a pod keeps it for a while.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import fsum

from facility.condor.amounts import Shape
from facility.condor.packing import Wish
from facility.condor.situation import VO, Cause, Person, Reason, Situation

#: seconds of a usual pod's use beyond which past use is not held against anybody who waits
_FORGIVEN = 3600.0
#: seconds of waiting by which somebody has to be ahead before another's pod goes to them
_TURN = 600.0
_SHARE = 100  # what most people have


@dataclass
class Ledger:
    """What has been given away, in cores, pods and GPUs, and what kept anybody from getting more."""

    situation: Situation
    cpus: Counter[str] = field(default_factory=Counter)  # by owner, and by VO
    pods: Counter[str] = field(default_factory=Counter)  # by VO
    gpus: Counter[str] = field(default_factory=Counter)  # by VO
    total: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)

    def give(self, person: Person, shape: Shape) -> None:
        """Count a pod as theirs."""
        for name in (person.owner, person.vo):
            self.cpus[name] += shape.cpus
        self.pods[person.vo] += 1
        self.gpus[person.vo] += shape.gpus
        self.total += shape.cpus

    def room(self, person: Person, shape: Shape) -> tuple[int, Reason | None]:
        """How many cores a pod of theirs may have by all limits, and which limit keeps it from this shape's."""
        vo = self.situation.vos.get(person.vo, VO(person.vo, _SHARE, 0))
        if self.pods[vo.name] >= vo.max_pods:
            return 0, Reason(Cause.VO_PODS, vo.max_pods)
        if shape.gpus and vo.max_gpus is not None and self.gpus[vo.name] + shape.gpus > vo.max_gpus:
            return 0, Reason(Cause.VO_GPUS, vo.max_gpus)
        bounds = (
            (Cause.PERSON, person.ceiling, self.cpus[person.owner]),
            (Cause.VO_CPUS, vo.max_cpus, self.cpus[vo.name]),
            (Cause.SITE, self.situation.max_cpus, self.total),
        )
        tight = [(limit - taken, Reason(cause, limit)) for cause, limit, taken in bounds if limit]
        least = min(tight, key=lambda one: one[0], default=(shape.cpus, None))
        return (shape.cpus, None) if least[0] >= shape.cpus else (max(least[0], 0), least[1])


@dataclass(frozen=True)
class Grant:
    """A pod that somebody gets; freely: on room that nobody else competes for."""

    person: Person
    wish: Wish
    freely: bool


@dataclass
class Class:
    """Pods that compete with each other: those with GPUs, counted in GPUs, or those without, counted in cores.

    capacity: what the cluster has been seen to hold, None while it has refused none. blocked: whether a pod of that
    shape would only wait for room.
    """

    unit: Callable[[Shape], int]
    capacity: int | None
    blocked: Callable[[Shape], bool]


def fill(
    kind: Class, wishes: Mapping[str, Iterable[Wish]], weighed: Mapping[str, float], ledger: Ledger
) -> list[Grant]:
    """Who gets what of a class, in the order in which it was given.

    Args:
        wishes: by owner, the dearest first.
        weighed: weights by owner, against others of the VO.
        ledger: what is given away already; what is given here is added to it.
    """
    lines = {owner: deque(listed) for owner, listed in sorted(wishes.items())}
    filling = _Filling(kind, lines, weighed, ledger)
    grants: list[Grant] = []
    while owner := filling.next():
        wish = lines[owner].popleft()
        grant = filling.try_to_give(ledger.situation.people[owner], wish)
        if grant:
            grants.append(grant)
        filling.put_back(owner)
    return grants


class _Filling:
    def __init__(
        self, kind: Class, lines: Mapping[str, deque[Wish]], weighed: Mapping[str, float], ledger: Ledger
    ) -> None:
        self._kind, self._lines, self._weights, self._ledger = kind, lines, weighed, ledger
        self._given: Counter[str] = Counter()
        self._taken = 0
        self._people: dict[str, list[tuple[float, float, str]]] = {}
        for owner, line in lines.items():
            if line:
                vo = ledger.situation.people[owner].vo
                self._people.setdefault(vo, []).append(self._rank(owner))
        for heap in self._people.values():
            heapq.heapify(heap)
        self._vos = [self._rank_of_vo(vo) for vo in self._people]
        heapq.heapify(self._vos)

    def next(self) -> str:
        """Who is next; "" when nobody wishes for more."""
        if not self._vos:
            return ""
        _, _, vo = heapq.heappop(self._vos)
        return heapq.heappop(self._people[vo])[2]

    def put_back(self, owner: str) -> None:
        vo = self._ledger.situation.people[owner].vo
        if self._lines[owner]:
            heapq.heappush(self._people[vo], self._rank(owner))
        if self._people[vo]:
            heapq.heappush(self._vos, self._rank_of_vo(vo))

    def try_to_give(self, person: Person, wish: Wish) -> Grant | None:
        cpus, reason = self._ledger.room(person, wish.shape)
        if reason:
            smaller = None if wish.pod else shrunk(wish, cpus)
            if smaller is None:
                self._ledger.reasons.setdefault(person.owner, reason)
                return None
            wish = smaller
        freely = not self._competes(wish)
        units = self._kind.unit(wish.shape)
        if not freely and self._kind.capacity is not None and self._taken + units > self._kind.capacity:
            self._ledger.reasons.setdefault(person.owner, Reason(Cause.CLUSTER, self._kind.capacity, wish.shape))
            return None
        self._taken += 0 if freely else units
        self._given[person.owner] += units
        self._given[person.vo] += units
        self._ledger.give(person, wish.shape)
        return Grant(person, wish, freely)

    def _competes(self, wish: Wish) -> bool:
        """For room that the cluster has been seen to have: what is there does, and what would only wait."""
        return wish.pod is not None or self._kind.blocked(wish.shape)

    def _rank(self, owner: str) -> tuple[float, float, str]:
        person, wish = self._ledger.situation.people[owner], self._lines[owner][0]
        usual = max(self._ledger.situation.usual.cpus, 1)
        used = person.usage * _SHARE / person.weight / usual
        keeps = _TURN if wish.pod and wish.pod.phase.on_node else 0.0
        return self._given[owner] / self._weights[owner], min(used, _FORGIVEN) - person.waited - keeps, owner

    def _rank_of_vo(self, name: str) -> tuple[float, float, str]:
        vo = self._ledger.situation.vos.get(name)
        return self._given[name] / (vo.weight if vo else _SHARE), self._people[name][0][1], name


def shrunk(wish: Wish, cpus: int) -> Wish | None:
    """A new pod with fewer cores, as long as its job fits; memory and disk go with the cores."""
    if cpus < max(wish.least.cpus, 1):
        return None
    memory, disk = (amount * cpus // wish.shape.cpus for amount in (wish.shape.memory, wish.shape.disk))
    least = wish.least
    return replace(wish, shape=Shape(cpus, max(memory, least.memory), max(disk, least.disk), wish.shape.gpus))


def weights(people: Mapping[str, Person]) -> dict[str, float]:
    """Of people with past use taken into account: who has used most of their VO counts for a little over half.

    Within a VO, past use per share is compared with the mean of those who want or have something now.
    """
    uses = {owner: one.usage / one.weight for owner, one in people.items()}
    listed: dict[str, list[float]] = {}
    for owner, one in people.items():
        listed.setdefault(one.vo, []).append(uses[owner])
    means = {vo: fsum(used) / len(used) for vo, used in listed.items()}
    return {
        owner: one.weight * (1 + 1 / (1 + uses[owner] / means[one.vo])) / 2 if means[one.vo] else float(one.weight)
        for owner, one in people.items()
    }
