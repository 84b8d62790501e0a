"""Ending parts of the facility, orderly or at once, and telling when they are back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo.mainjob import Stage
from tests.cluster.node import on_node


def of_component(namespace: str, component: str) -> tuple[str, ...]:
    """A part's pods, as kubectl's arguments."""
    return "pods", "-n", namespace, "-l", f"app.kubernetes.io/component={component}"


def end(stage: Stage, namespace: str, component: str, *, at_once: bool = False) -> set[str]:
    """Delete a part's pods; their uids. `at_once`: without the time to end in order."""
    chosen = of_component(namespace, component)
    uids = {pod["metadata"]["uid"] for pod in stage.cluster.items(*chosen)}
    assert uids, f"no pod of {component} in {namespace}"
    force = ("--grace-period=0", "--force") if at_once else ()
    stage.cluster.do("delete", *chosen, "--wait=false", *force)
    return uids


def ready(stage: Stage, namespace: str, component: str, old: set[str]) -> bool:
    """Whether a part has pods again, all ready, none of them an old one."""
    pods = stage.cluster.items(*of_component(namespace, component))
    conditions = [c for pod in pods for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
    new = pods and not old & {pod["metadata"]["uid"] for pod in pods}
    return bool(new) and len(conditions) == len(pods) and all(c["status"] == "True" for c in conditions)


def starts(stage: Stage, namespace: str, component: str) -> dict[str, int]:
    """How often the containers of each of a part's pods were started again."""
    return {
        pod["metadata"]["name"]: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
        for pod in stage.cluster.items(*of_component(namespace, component))
    }


def life(stage: Stage, namespace: str, pod: str) -> tuple[str, int]:
    """Which one a pod of that name is, and how often its containers were started again: the same while it goes on."""
    found = stage.cluster.get("pod", pod, "-n", namespace)
    return found["metadata"]["uid"], sum(one["restartCount"] for one in found["status"]["containerStatuses"])


def started_again(stage: Stage, namespace: str, component: str, before: dict[str, int]) -> bool:
    """Whether all those pods' containers were started again since then, and are ready."""
    now = starts(stage, namespace, component)
    again = all(now.get(pod, 0) > count for pod, count in before.items())
    return again and ready(stage, namespace, component, set())


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


@dataclass(frozen=True)
class Replicas:
    """A part of several pods: deleted in order, or at once all its processes killed where they are, from the node.

    Pods are not deleted without the time to end: Kubernetes itself says of that that they may still run.
    """

    name: str
    namespace: str
    component: str
    module: str

    def kill(self, stage: Stage, *, at_once: bool) -> Callable[[], bool]:
        """End it; what is given tells whether it is back."""
        if not at_once or not stage.node:
            return Pods(self.name, self.namespace, self.component).kill(stage, at_once=at_once)
        before = starts(stage, self.namespace, self.component)
        # the first program of a container cannot be killed from inside; the brackets: not this script itself
        pattern = self.module.replace(".", "[.]")
        found = f"tr '\\0' ' ' <$p/cmdline | grep -q -- '-m {pattern} '"
        script = f"for p in /proc/[0-9]*; do if {found}; then kill -9 ${{p#/proc/}}; fi; done 2>/dev/null; true"
        on_node(stage, script)
        return lambda: self._again(stage, before)

    def _again(self, stage: Stage, before: dict[str, int]) -> bool:
        return started_again(stage, self.namespace, self.component, before)


#: the numbers of the processes of a module
PROCESSES = """
import os, sys
last = f"-m\\0{sys.argv[1]}\\0".encode()
for name in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{name}/cmdline", "rb") as file:
        command = file.read()
    if command.endswith(last) and os.path.basename(command.split(b"\\0")[0]).startswith(b"python"):
        print(name)
"""
#: a signal for processes, all of them by number
SIGNAL = "import os, sys; [os.kill(int(one), int(sys.argv[1])) for one in sys.argv[2:]]"


@dataclass(frozen=True)
class Programs:
    """A part that is a program in somebody's pod, which goes on meanwhile, and is started again in its place."""

    name: str
    namespace: str
    container: str
    module: str
    pods: tuple[str, ...]

    def kill(self, stage: Stage, *, at_once: bool) -> Callable[[], bool]:
        """End it; what is given tells whether another has taken its place."""
        before = {pod: self._running(stage, pod) for pod in self.pods}
        assert all(before.values()), f"{self.module} does not run everywhere: {before}"
        for pod, found in before.items():
            self._execute(stage, pod, SIGNAL, "9" if at_once else "15", *found)
        return lambda: all(self._running(stage, pod) - old for pod, old in before.items())

    def _running(self, stage: Stage, pod: str) -> set[str]:
        """Asked again where there is none: what a program prints is lost at times when `kubectl exec` ends."""
        return set(
            self._execute(stage, pod, PROCESSES, self.module) or self._execute(stage, pod, PROCESSES, self.module)
        )

    def _execute(self, stage: Stage, pod: str, program: str, *arguments: str) -> list[str]:
        command = ["python3", "-c", program, *arguments]
        return stage.cluster.execute(self.namespace, pod, self.container, command).split()


#: ends a container from within: its programs at once; where its first process is the program itself, which nothing in
#: the container can kill, by asking
_END = """
import os, signal
own = {1, os.getpid(), os.getppid()}
found = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]
for pid in found or [1]:
    os.kill(pid, signal.SIGKILL if found else signal.SIGTERM)
"""


@dataclass(frozen=True)
class Containers:
    """A part that is a whole container of a pod, which goes on meanwhile: the kubelet starts it again."""

    name: str
    namespace: str
    container: str
    pod: str

    def kill(self, stage: Stage, *, at_once: bool) -> Callable[[], bool]:
        """End it, always by its own process's end; what is given tells whether it is back."""
        before, _ = self._restarts(stage)
        with suppress(ClusterError):  # what ends the container may be ended with it
            stage.cluster.execute(self.namespace, self.pod, self.container, ["python3", "-c", _END])

        def back() -> bool:
            count, running = self._restarts(stage)
            return running and count > before

        return back

    def _restarts(self, stage: Stage) -> tuple[int, bool]:
        """How often it was started again, and whether it runs now."""
        found = stage.cluster.get("pod", self.pod, "-n", self.namespace)["status"]["containerStatuses"]
        (one,) = (status for status in found if status["name"] == self.container)
        return int(one["restartCount"]), bool(one["ready"])


Part = Pods | Programs | Containers | Replicas


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
