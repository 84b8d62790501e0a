"""A cluster that runs execute pods as `facility.condor.share` decides, round by round, without any time passing.

Its nodes have so many cores together, and a pod finds room or waits for it. Jobs never end by themselves; a pod that is
to leave goes after some rounds, as if they had.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from facility.condor.shapes import Shape
from facility.condor.share import decide
from facility.condor.situation import NOTHING, VO, Decision, Need, Person, Phase, Pod, Situation

USUAL = Shape(2, 4000, 8000)
MAXIMUM = Shape(8, 32000, 64000, 4)
JOB = Shape(1, 1000, 1000)


@dataclass
class SmallCluster:
    """`cores`: of all nodes; `drain`: rounds that a busy pod needs to leave."""

    cores: int
    vos: dict[str, VO]
    people: dict[str, Person]
    max_cpus: int = 0
    drain: int = 1
    pods: dict[str, Pod] = field(default_factory=dict)
    made: int = 0
    waits: dict[str, int] = field(default_factory=dict)
    history: list[Decision] = field(default_factory=list)

    def situation(self) -> Situation:
        return Situation(self.vos, self.people, tuple(self.pods.values()), USUAL, MAXIMUM, self.max_cpus)

    def round(self) -> Decision:
        """Decide, do it, and let the scheduler and HTCondor do theirs."""
        decision = decide(self.situation())
        self.history.append(decision)
        for name in decision.drop:
            del self.pods[name]
        for name in decision.retire:
            self.pods[name] = replace(self.pods[name], retiring=True)
            self.waits[name] = self.drain
        for new in decision.create:
            self.made += 1
            name = f"{new.owner}-{self.made}"
            self.pods[name] = Pod(name, new.owner, new.shape, Phase.STARTING)
        self._leave()
        self._schedule()
        self._match()
        return decision

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.round()

    def cpus(self, owner: str) -> int:
        """Of the pods of somebody that run and go on running."""
        mine = [pod for pod in self.pods.values() if pod.owner == owner and not pod.retiring]
        return sum(pod.shape.cpus for pod in mine if pod.phase is Phase.RUNNING)

    def waiting(self, owner: str = "") -> int:
        """Pods that no node has room for."""
        pods = self.pods.values()
        return sum(pod.phase is Phase.UNSCHEDULABLE for pod in pods if owner in ("", pod.owner))

    def _leave(self) -> None:
        for name, pod in list(self.pods.items()):
            if pod.retiring:
                self.waits[name] -= 1
                if self.waits[name] <= 0 or pod.used == NOTHING:
                    del self.pods[name]

    def _schedule(self) -> None:
        taken = sum(pod.shape.cpus for pod in self.pods.values() if pod.phase is Phase.RUNNING)
        for name, pod in self.pods.items():
            if pod.phase is not Phase.RUNNING:
                fits = taken + pod.shape.cpus <= self.cores
                taken += pod.shape.cpus if fits else 0
                self.pods[name] = replace(pod, phase=Phase.RUNNING if fits else Phase.UNSCHEDULABLE)

    def _match(self) -> None:
        """Idle jobs start where there is room for them."""
        for name, pod in sorted(self.pods.items()):
            if pod.phase is Phase.RUNNING and not pod.retiring and pod.owner in self.people:
                self.pods[name] = self._fed(pod)

    def _fed(self, pod: Pod) -> Pod:
        person, used, needs = self.people[pod.owner], pod.used, []
        for need in person.needs:
            here = 0 if bool(need.shape.gpus) != bool(pod.shape.gpus) else need.shape.times(pod.shape.minus(used))
            here = min(here, need.count)
            amount = need.shape
            used = Shape(
                used.cpus + here * amount.cpus,
                used.memory + here * amount.memory,
                used.disk + here * amount.disk,
                used.gpus + here * amount.gpus,
            )
            if need.count > here:
                needs.append(Need(amount, need.count - here))
        self.people[pod.owner] = replace(person, needs=tuple(needs))
        return replace(pod, used=used)
