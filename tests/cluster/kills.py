"""Ending parts of the facility, orderly or at once, and telling when they are back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo.mainjob import Stage

#: ends a container from within: its programs at once; where its first process is the program itself, which nothing in
#: the container can kill, by asking
_END = """
import os, signal
own = {1, os.getpid(), os.getppid()}
found = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]
for pid in found or [1]:
    os.kill(pid, signal.SIGKILL if found else signal.SIGTERM)
"""


def end(stage: Stage, namespace: str, component: str, *, at_once: bool = False) -> set[str]:
    """Delete a part's pods; their uids. `at_once`: without the time to end in order."""
    chosen = ("pods", "-n", namespace, "-l", f"app.kubernetes.io/component={component}")
    uids = {pod["metadata"]["uid"] for pod in stage.cluster.items(*chosen)}
    assert uids, f"no pod of {component} in {namespace}"
    force = ("--grace-period=0", "--force") if at_once else ()
    stage.cluster.do("delete", *chosen, "--wait=false", *force)
    return uids


def ready(stage: Stage, namespace: str, component: str, old: set[str]) -> bool:
    """Whether a part has pods again, all ready, none of them an old one."""
    pods = stage.cluster.items("pods", "-n", namespace, "-l", f"app.kubernetes.io/component={component}")
    conditions = [c for pod in pods for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
    new = pods and not old & {pod["metadata"]["uid"] for pod in pods}
    return bool(new) and len(conditions) == len(pods) and all(c["status"] == "True" for c in conditions)


def restarts(stage: Stage, namespace: str, pod: str, container: str) -> tuple[int, bool]:
    """How often a container was started again, and whether it runs now."""
    found = stage.cluster.get("pod", pod, "-n", namespace)["status"]["containerStatuses"]
    (one,) = (status for status in found if status["name"] == container)
    return int(one["restartCount"]), bool(one["ready"])


@dataclass(frozen=True)
class Pods:
    """A part that is whole pods: deleted, and made again by what keeps it."""

    name: str
    namespace: str
    component: str

    def kill(self, stage: Stage, *, at_once: bool) -> Callable[[], bool]:
        """End it; what is given tells whether it is back."""
        old = end(stage, self.namespace, self.component, at_once=at_once)
        return lambda: ready(stage, self.namespace, self.component, old)


#: the numbers of an agent's processes; given "-15" or "-9", ends them by that signal
_AGENT = """
import os, sys
for name in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{name}/cmdline", "rb") as file:
        if b"facility.agent.main\\0" == file.read()[-20:]:
            print(name)
            [os.kill(int(name), -int(given)) for given in sys.argv[1:]]
"""


@dataclass(frozen=True)
class Agents:
    """The agents beside people's notebooks: their processes, which what keeps them starts again in place."""

    name: str
    namespace: str
    pods: tuple[str, ...]

    def kill(self, stage: Stage, *, at_once: bool) -> Callable[[], bool]:
        """End them; what is given tells whether others have taken their places."""
        before = {pod: self._running(stage, pod, "-9" if at_once else "-15") for pod in self.pods}
        assert all(before.values()), f"no agent runs: {before}"
        return lambda: all(self._running(stage, pod) - old for pod, old in before.items())

    def _running(self, stage: Stage, pod: str, *signal: str) -> set[str]:
        return set(stage.cluster.execute(self.namespace, pod, "agent", ["python3", "-c", _AGENT, *signal]).split())


@dataclass(frozen=True)
class Containers:
    """A part that is a container in somebody's pod, which goes on meanwhile."""

    name: str
    namespace: str
    container: str
    pods: tuple[str, ...]

    def kill(self, stage: Stage, *, at_once: bool) -> Callable[[], bool]:
        """End it; what is given tells whether it is back. A container is always ended by its own process's end."""
        before = {pod: self._restarts(stage, pod)[0] for pod in self.pods}
        for pod in self.pods:
            with suppress(ClusterError):  # what ends the container may be ended with it
                stage.cluster.execute(self.namespace, pod, self.container, ["python3", "-c", _END])
        return lambda: all(self._back(stage, pod, count) for pod, count in before.items())

    def _back(self, stage: Stage, pod: str, before: int) -> bool:
        count, running = self._restarts(stage, pod)
        return running and count > before

    def _restarts(self, stage: Stage, pod: str) -> tuple[int, bool]:
        return restarts(stage, self.namespace, pod, self.container)


Part = Pods | Agents | Containers


@dataclass(frozen=True)
class Kill:
    """One ending: of which part, when (seconds since the epoch), how, and after how many seconds it was back."""

    part: str
    at: float
    at_once: bool
    back_after: float


@dataclass
class Killer:
    """Ends parts one after the other, each when the one before is back: every part orderly, then every part at once."""

    stage: Stage
    parts: Sequence[Part]
    done: list[Kill] = field(default_factory=list)

    def run(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """All of it within `seconds`. Raises NotReadyError when a part does not come back."""
        begun = time.time()
        for when, part, at_once in plan(self.parts, seconds):
            sleep(max(0.0, begun + when - time.time()))
            self._kill(part, at_once)

    def _kill(self, part: Part, at_once: bool) -> None:
        at = time.time()
        back = part.kill(self.stage, at_once=at_once)
        took = self.stage.cluster.wait_for(f"{part.name} after its end", back, 180)
        self.done.append(Kill(part.name, round(at, 1), at_once, round(took, 1)))


def plan(parts: Sequence[Part], seconds: float) -> list[tuple[float, Part, bool]]:
    """When to end what, and whether at once: each part twice, evenly within the middle of that time."""
    twice = [(part, at_once) for at_once in (False, True) for part in parts]
    step = seconds * 0.8 / len(twice)
    return [(seconds * 0.08 + number * step, part, at_once) for number, (part, at_once) in enumerate(twice)]
