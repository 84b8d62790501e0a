"""Who gets how many execute pods: one pure decision over all VOs and people, taken anew every few seconds.

What everybody would have if they were alone (`packing`) is given out by weighted max-min as far as limits and the
cluster's room go (`filling`). Then what was given and is not there is made; where it finds no room, pods that were not
given again are asked to take no more jobs. A running job is never ended for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from facility.condor.amounts import Shape
from facility.condor.filling import Class, Grant, Ledger, fill, weights
from facility.condor.packing import Packing, pack
from facility.condor.situation import Cause, Decision, New, Person, Phase, Pod, Reason, Situation

#: pods of one owner that may be on their way to a node at a time
BURST = 4
#: pods of all on their way: this many, or half of those that have found a node
_STARTING = 16


def decide(situation: Situation) -> Decision:
    """What to make, what to let go, and why jobs wait. The order in which things are listed makes no difference."""
    packings = _packings(situation)
    ledger, grants = Ledger(situation), list[Grant]()
    weighed = weights({owner: situation.people[owner] for owner in packings})
    for kind, fits in _classes(situation):
        wishes = {owner: [one for one in packing.wishes if fits(one.shape)] for owner, packing in packings.items()}
        grants += fill(kind, wishes, weighed, ledger)
    doing = _Doing(situation, grants)
    doing.take_back({wish.pod.name for packing in packings.values() for wish in packing.wishes if wish.pod})
    doing.make()
    doing.make_room()
    doing.keep_limits()
    reasons = {
        owner: reason
        for owner in sorted(packings)
        if (reason := _reason(situation.people[owner], packings[owner], ledger, doing))
    }
    allowed = {owner: ledger.cpus[owner] for owner in sorted(packings)}
    return Decision(tuple(doing.create), tuple(doing.retire), tuple(doing.drop), reasons, allowed)


def _packings(situation: Situation) -> dict[str, Packing]:
    """By owner, what those who have or want something would have."""
    pods: dict[str, list[Pod]] = {owner: [] for owner, one in sorted(situation.people.items()) if one.needs}
    for pod in situation.pods:
        if not pod.retiring and pod.owner in situation.people:
            pods.setdefault(pod.owner, []).append(pod)
    result: dict[str, Packing] = {}
    for owner, theirs in pods.items():
        person = situation.people[owner]
        vo = situation.vos.get(person.vo)
        most = vo.max_pods if vo else 0
        result[owner] = pack(person.needs, theirs, situation.usual, situation.maximum, most, person.stuck)
    return result


def _classes(situation: Situation) -> list[tuple[Class, _Belongs]]:
    """Pods with GPUs first: they are few, and count for limits of cores too."""
    return [(_class(situation, belongs), belongs) for belongs in (_with_gpus, _without_gpus)]


def _class(situation: Situation, belongs: _Belongs) -> Class:
    gpus = belongs is _with_gpus
    unit, lately = (_gpus, situation.lately.gpus) if gpus else (_cpus, situation.lately.cpus)
    mine = [pod for pod in situation.pods if belongs(pod.shape)]
    waiting = {pod.shape for pod in mine if pod.phase is Phase.UNSCHEDULABLE}
    held = sum(unit(pod.shape) for pod in mine if pod.phase is not Phase.UNSCHEDULABLE)
    # what a pod had that has just ended is there still: the scheduler gives it to one that waits within seconds
    capacity = max(held, lately) if waiting else None
    return Class(unit, capacity, lambda shape: any(one.fits(shape) for one in waiting))


class _Belongs:
    """Whether a shape is of a class."""

    def __init__(self, gpus: bool) -> None:
        self._gpus = gpus

    def __call__(self, shape: Shape) -> bool:
        return bool(shape.gpus) is self._gpus


_with_gpus, _without_gpus = _Belongs(True), _Belongs(False)


def _cpus(shape: Shape) -> int:
    return shape.cpus


def _gpus(shape: Shape) -> int:
    return shape.gpus


@dataclass(frozen=True)
class _Claim:
    """What was given and finds no room. need: what is missing, in what its cause counts: pods, GPUs or cores."""

    grant: Grant
    cause: Cause
    need: int

    def helped_by(self, pod: Pod) -> int:
        """How much of it another pod's leaving gives."""
        if self.cause is Cause.CLUSTER:
            return self.need if self.grant.wish.shape.fits(pod.shape) else 0
        if self.cause is Cause.SITE:
            return pod.shape.cpus
        if self.cause is Cause.PERSON:
            return pod.shape.cpus if pod.owner == self.grant.person.owner else 0
        if pod.vo != self.grant.person.vo:
            return 0
        return 1 if self.cause is Cause.VO_PODS else pod.shape.gpus if self.cause is Cause.VO_GPUS else pod.shape.cpus


@dataclass
class _Doing:
    """From what was given to what is done."""

    situation: Situation
    grants: list[Grant]
    create: list[New] = field(default_factory=list)
    retire: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    blocked: dict[str, Reason] = field(default_factory=dict)
    starting: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        kept = {grant.wish.pod.name for grant in self.grants if grant.wish.pod}
        # of a VO that is not known just now nothing is let go: it counts, and its jobs go on
        living = [pod for pod in self.situation.pods if not pod.retiring and pod.vo in self.situation.vos]
        self._over = sorted((pod for pod in living if pod.name not in kept), key=self._willing)
        self._claims: list[_Claim] = []
        self._under_way: Counter[str] = Counter()

    def _willing(self, pod: Pod) -> tuple[int, int, str]:
        """Who goes first: what does least; of those that do as much, the larger."""
        return pod.used.cpus, -pod.shape.cpus, pod.name

    def take_back(self, wished: Collection[str]) -> None:
        """Pods that wait for room and are for nobody's jobs any more, or were told to leave before they found any."""
        for pod in [one for one in self._over if one.phase is Phase.UNSCHEDULABLE and one.name not in wished]:
            self._over.remove(pod)
            self._let_go(pod)
        left = [one.name for one in self.situation.pods if one.retiring and one.phase is Phase.UNSCHEDULABLE]
        self.drop += sorted(left)

    def make(self) -> None:
        """New pods, as far as limits, counting all that is there, and a steady pace allow."""
        pods = self.situation.pods
        there = self._there(pods)
        for pod in pods:
            self.starting[pod.owner] += pod.phase in (Phase.PLACED, Phase.STARTING)
            self._under_way[pod.owner] += not pod.phase.on_node
        running = sum(pod.phase.on_node for pod in pods)
        pace = max(_STARTING, running // 2) - sum(pod.phase is Phase.STARTING for pod in pods)
        for grant in self.grants:
            if not grant.wish.pod:
                self._try_to_make(grant, there, pace)
            elif grant.wish.pod.phase is Phase.UNSCHEDULABLE:
                self._claim(grant, Reason(Cause.CLUSTER, shape=grant.wish.shape))

    def _there(self, pods: Iterable[Pod]) -> Ledger:
        """What these pods take of all limits."""
        ledger = Ledger(self.situation)
        for pod in pods:
            ledger.give(self._person(pod), pod.shape)
        return ledger

    def _person(self, pod: Pod) -> Person:
        """Its owner, who may have gone."""
        return self.situation.people.get(pod.owner) or Person(pod.owner, pod.vo)

    def _try_to_make(self, grant: Grant, there: Ledger, pace: int) -> None:
        _, reason = there.room(grant.person, grant.wish.shape)
        if reason:
            self._claim(grant, reason)
        elif self._under_way[grant.person.owner] < BURST and len(self.create) < pace:
            self._make(grant, there)

    def _make(self, grant: Grant, there: Ledger) -> None:
        self.create.append(New(grant.person.owner, grant.wish.shape))
        self.starting[grant.person.owner] += 1
        self._under_way[grant.person.owner] += 1
        there.give(grant.person, grant.wish.shape)
        if not grant.freely:
            self._claim(grant, Reason(Cause.CLUSTER, shape=grant.wish.shape))

    def _claim(self, grant: Grant, reason: Reason) -> None:
        self.blocked.setdefault(grant.person.owner, reason)
        pods, gpus = reason.cause is Cause.VO_PODS, reason.cause is Cause.VO_GPUS
        shape = grant.wish.shape
        self._claims.append(_Claim(grant, reason.cause, 1 if pods else shape.gpus if gpus else shape.cpus))

    def make_room(self) -> None:
        """For each claim: what is leaving already, then what was not given again."""
        leaving = [pod for pod in self.situation.pods if pod.retiring]
        for claim in self._claims:
            need = claim.need
            for pods, chosen in ((leaving, None), (self._over, self._let_go)):
                for pod in list(pods):
                    helped = claim.helped_by(pod) if need > 0 else 0
                    if helped and not (claim.cause is Cause.CLUSTER and pod.phase is Phase.UNSCHEDULABLE):
                        need -= helped
                        pods.remove(pod)
                        if chosen:
                            chosen(pod)
        if any(claim.cause is Cause.CLUSTER for claim in self._claims):
            self._step_back()

    def _step_back(self) -> None:
        """Pods that wait for room and were not given are in the way of those that were."""
        for pod in [one for one in self._over if one.phase is Phase.UNSCHEDULABLE]:
            self._over.remove(pod)
            self._let_go(pod)

    def keep_limits(self) -> None:
        """Where a limit was lowered: what is over it leaves, as its jobs end."""
        there = Ledger(self.situation)
        gone = {*self.retire, *self.drop}
        living = [pod for pod in self.situation.pods if not pod.retiring and pod.name not in gone]
        over = {pod.name for pod in self._over}
        for pod in sorted(living, key=lambda pod: (pod.name in over, -pod.used.cpus, pod.name)):
            person = self._person(pod)
            if there.room(person, pod.shape)[1] and pod.name in over:
                self._let_go(pod)
            else:
                there.give(person, pod.shape)

    def _let_go(self, pod: Pod) -> None:
        (self.retire if pod.phase.on_node else self.drop).append(pod.name)


def _reason(person: Person, packing: Packing, ledger: Ledger, doing: _Doing) -> Reason | None:
    """Why somebody's jobs wait: what they can do something about first."""
    if not person.needs:
        return None
    if packing.refused and all(need.shape == packing.refused for need in person.needs):
        return Reason(Cause.TOO_LARGE, shape=packing.refused)
    if doing.starting[person.owner]:
        return Reason(Cause.STARTING, doing.starting[person.owner])
    for known in (doing.blocked, ledger.reasons):
        if person.owner in known:
            return known[person.owner]
    if packing.refused:
        return Reason(Cause.TOO_LARGE, shape=packing.refused)
    if packing.room:
        return Reason(Cause.UNTAKEN if person.stuck else Cause.ROOM)
    return Reason(Cause.STARTING)
