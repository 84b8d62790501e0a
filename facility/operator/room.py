"""How much room pods had on nodes a moment ago, while others waited for room.

A pod that ends leaves its room to one that waits, some seconds later: the scheduler tries again at once, or after ten
seconds at most. What is shared out must not sink meanwhile, or pods would be asked to leave for room that is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from facility.condor.situation import Held, Phase, Pod

LATELY = 15.0  # seconds


class Room:
    """Remembers, for pods with GPUs and for those without."""

    def __init__(self) -> None:
        self._seen: dict[bool, deque[tuple[float, int]]] = {True: deque(), False: deque()}

    def lately(self, pods: Iterable[Pod], now: float) -> Held:
        """The most of the last seconds, these pods included. now: in seconds, never less than before."""
        kinds: dict[bool, list[Pod]] = {True: [], False: []}
        for pod in pods:
            kinds[bool(pod.shape.gpus)].append(pod)
        return Held(cpus=self._most(False, kinds[False], now), gpus=self._most(True, kinds[True], now))

    def _most(self, gpus: bool, pods: Collection[Pod], now: float) -> int:
        """Pods that are just made are not counted: nobody knows yet whether there is room for them."""
        seen, phases = self._seen[gpus], {pod.phase for pod in pods}
        if Phase.UNSCHEDULABLE not in phases:
            seen.clear()  # whoever waits next finds how much there is then
            return 0
        seen.append((now, sum(pod.shape.gpus if gpus else pod.shape.cpus for pod in pods if pod.phase.on_node)))
        while now - seen[0][0] > LATELY:
            seen.popleft()
        return max(held for _, held in seen)
