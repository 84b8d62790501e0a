"""Who wants cores, who has some, and who may have how many: what the sharing of execute pods is decided from, and how.

A core is one of an execute pod (`Shape.cpus`), not what Kubernetes is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from facility.condor.amounts import Shape

NOTHING = Shape(0, 0, 0)


@dataclass(frozen=True)
class Need:
    """Idle jobs that ask for the same."""

    shape: Shape
    count: int


class Phase(StrEnum):
    """How far an execute pod is."""

    RUNNING = "running"
    PLACED = "placed"  # on a node, which gets its image
    STARTING = "starting"  # just made: nobody has found yet whether there is room for it
    UNSCHEDULABLE = "unschedulable"  # no node has room for it

    @property
    def on_node(self) -> bool:
        """Whether it has found its room."""
        return self in (Phase.RUNNING, Phase.PLACED)


@dataclass(frozen=True)
class Pod:
    """An execute pod that has not ended. used: what the running jobs in it have asked for; retiring: takes no more."""

    name: str
    owner: str
    shape: Shape
    phase: Phase = Phase.RUNNING
    used: Shape = NOTHING
    retiring: bool = False

    @property
    def vo(self) -> str:
        """The owner's (`<vo>_<name>`)."""
        return self.owner.partition("_")[0]


@dataclass(frozen=True)
class VO:
    """A VO's share and limits. max_cpus: 0 for none; max_gpus: None for none."""

    name: str
    weight: int
    max_pods: int
    max_cpus: int = 0
    max_gpus: int | None = None


@dataclass(frozen=True)
class Person:
    """An owner of jobs.

    weight: against others of the VO; ceiling: most cores, 0 for no limit; usage: decayed core-seconds; waited: seconds
    that jobs of theirs have waited while they had no pod at all; stuck: their jobs do not start in pods that seem to
    have room beside other jobs.
    """

    owner: str
    vo: str
    weight: int = 100
    ceiling: int = 0
    usage: float = 0.0
    waited: float = 0.0
    needs: tuple[Need, ...] = ()
    stuck: bool = False


@dataclass(frozen=True)
class Held:
    """Room that pods have: cores of those without GPUs, GPUs of those with."""

    cpus: int = 0
    gpus: int = 0


@dataclass(frozen=True)
class Situation:
    """All of it.

    usual, maximum: pods of the site; max_cpus: of all pods together, 0 when only the cluster limits; lately: the most
    room that pods had on nodes a moment ago, while others waited for room.
    """

    vos: Mapping[str, VO]
    people: Mapping[str, Person]
    pods: tuple[Pod, ...]
    usual: Shape
    maximum: Shape
    max_cpus: int = 0
    lately: Held = field(default_factory=Held)


class Cause(StrEnum):
    """Why jobs wait, or why a pod that somebody would have is not made."""

    STARTING = "starting"
    ROOM = "room"
    TOO_LARGE = "too large"
    PERSON = "person"
    VO_CPUS = "vo cpus"
    VO_PODS = "vo pods"
    VO_GPUS = "vo gpus"
    SITE = "site"
    CLUSTER = "cluster"
    UNTAKEN = "untaken"
    JOBS = "jobs"


@dataclass(frozen=True)
class Reason:
    """Why somebody's jobs wait. limit: the one that is reached, where the cause has one; shape: what does not fit."""

    cause: Cause
    limit: int = 0
    shape: Shape | None = None


@dataclass(frozen=True)
class New:
    """A pod to be made."""

    owner: str
    shape: Shape


@dataclass(frozen=True)
class Decision:
    """What to do now.

    create: in the order in which they are due; retire: pods that are to take no more jobs; drop: pods that no node has
    taken yet, to be deleted; reasons: for each owner with waiting jobs; allowed: cores that each owner gets.
    """

    create: tuple[New, ...] = ()
    retire: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    allowed: Mapping[str, int] = field(default_factory=dict)
