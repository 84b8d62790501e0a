"""What may happen to a pool: parts killed at once, moved, away for long, replaced by others while jobs run and wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import place, values
from facility.dev.demo.mainjob import Stage
from tests.cluster.batch import BATCH, ids, lose, queue
from tests.cluster.kills import Part, ready

POINT = "ap-cms-0"
#: ends every process of that name at once, and fails where there is none
_KILL = r"""
import os, pathlib, signal, sys
def name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
found = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and name(pid) == sys.argv[1]]
for pid in found:
    os.kill(pid, signal.SIGKILL)
sys.exit(not found)
"""


@dataclass(frozen=True)
class Disaster:
    """Something that happens. strike: makes it happen, and gives the seconds until the part is back.

    again: whether running jobs may have to begin anew. back: seconds within which the part has to be there again.
    """

    name: str
    strike: Callable[[Stage], float]
    again: bool = False
    back: float = 90


def killed(part: Part, *, at_once: bool = True) -> Callable[[Stage], float]:
    """A part ends, at once or in order."""

    def strike(stage: Stage) -> float:
        return stage.cluster.wait_for(f"{part.name} back", part.kill(stage, at_once=at_once), 240)

    return strike


def process(name: str) -> Callable[[Stage], float]:
    """One of HTCondor's daemons at the access point is killed."""

    def strike(stage: Stage) -> float:
        stage.cluster.execute(BATCH, POINT, "access-point", ["python3", "-c", _KILL, name])
        return stage.cluster.wait_for("the queue", lambda: answers(stage), 120)

    return strike


def point(strike_first: Callable[[Stage], float]) -> Callable[[Stage], float]:
    """The access point, back when its queue answers."""

    def strike(stage: Stage) -> float:
        begun = time.monotonic()
        strike_first(stage)
        stage.cluster.wait_for("the queue", lambda: answers(stage), 120)
        return time.monotonic() - begun

    return strike


def away(kind: str, name: str, namespace: str, component: str, seconds: float) -> Callable[[Stage], float]:
    """A part is not there at all for so long; seconds until it is back after that."""

    def strike(stage: Stage) -> float:
        replicas = stage.cluster.get(kind, name, "-n", namespace)["spec"]["replicas"]
        stage.cluster.do("scale", f"{kind}/{name}", "-n", namespace, "--replicas=0")
        try:
            time.sleep(seconds)
        finally:
            stage.cluster.do("scale", f"{kind}/{name}", "-n", namespace, f"--replicas={replicas}")
        return stage.cluster.wait_for(f"{name} back", lambda: ready(stage, namespace, component, set()), 180)

    return strike


def execute_pod(stage: Stage) -> float:
    """An execute pod with running jobs is lost without a word. Seconds until none of its jobs is said to run there."""
    mine = queue(
        stage, "condor_q", "-all", "-constraint", 'Owner == "cms_alice" && JobStatus == 2', "-af", "RemoteHost"
    )
    lost = mine.split()[0].rpartition("@")[2]
    begun = time.monotonic()
    lose(stage, lost)
    where = f'JobStatus == 2 && regexp("@{lost}$", RemoteHost)'
    stage.cluster.wait_for("jobs of the lost pod noticed", lambda: not ids(stage, where), 300)
    return time.monotonic() - begun


def upgraded(stage: Stage) -> float:
    """`helm upgrade` with settings that replace the central manager and all access points."""
    points = {pod["metadata"]["uid"] for pod in _of(stage, "access-point")}
    managers = {pod["metadata"]["uid"] for pod in _of(stage, "cm")}
    begun = time.monotonic()
    place.install(stage.cluster, _others)
    stage.cluster.wait_for("new access points", lambda: ready(stage, BATCH, "access-point", points), 240)
    stage.cluster.wait_for("a new central manager", lambda: ready(stage, BATCH, "cm", managers), 240)
    stage.cluster.wait_for("the queue", lambda: answers(stage), 120)
    return time.monotonic() - begun


def _others(wanted: values.Values) -> None:
    """Settings that change nothing but the pods that have them."""
    wanted["operator"]["site"]["batch"]["accessPointResources"] = values.requests("21m", "128Mi")
    wanted["condor"]["resources"] = values.requests("11m", "64Mi")


def _of(stage: Stage, component: str) -> list[dict[str, Any]]:
    return stage.cluster.items("pods", "-n", BATCH, "-l", f"app.kubernetes.io/component={component}")


def answers(stage: Stage) -> bool:
    """Whether the queue of cms can be read."""
    with suppress(ClusterError):
        queue(stage, "condor_q", "-all", "-totals")
        return True
    return False
