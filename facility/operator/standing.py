"""What the operator remembers of people between two decisions: what they used, how long they wait, who is stuck."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from facility import names
from facility.condor import usage
from facility.condor.jobs import OwnerJobs
from facility.condor.situation import NOTHING, Cause, Decision, Phase, Pod
from facility.condor.usage import Usage
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.objects import CONFIG_MAP, Reference
from facility.site import Site

_LOG = logging.getLogger(__name__)
#: ConfigMap in the facility's namespace, and its only key
NAME, KEY = "batch-usage", "usage.json"
_EVERY = 60.0  # seconds between two writes of it
_PATIENCE = 20.0  # seconds after which room that waiting jobs do not take is no room
_HOPELESS = 300.0  # seconds after which an idle pod that they do not take is replaced


class Past(NamedTuple):
    """Of one person, as `facility.condor.situation.Person` has it."""

    usage: float = 0.0
    waited: float = 0.0
    stuck: bool = False


class Standing:
    """Of all people who have jobs or pods."""

    def __init__(self, cluster: Cluster, site: Site) -> None:
        self._cluster, self._site = cluster, site
        self._usage: Usage | None = None
        self._written = float("-inf")
        self._waiting: dict[str, float] = {}
        self._roomy: dict[str, tuple[float, tuple[int, int]]] = {}

    async def load(self, now: float) -> None:
        """Know what was written last, once. Raises ClusterError."""
        if self._usage is None:
            found = await self._cluster.read(self._reference)
            self._usage = usage.read((found or {}).get("data", {}).get(KEY, ""), now)

    def of(self, jobs: Mapping[str, OwnerJobs], pods: Iterable[Pod], now: float) -> dict[str, Past]:
        """By owner. It counts what has been used since it was called last."""
        working: Counter[str] = Counter()
        having: set[str] = set()
        for pod in pods:
            working[pod.owner] += pod.shape.cpus if pod.phase.on_node else 0
            if not pod.retiring and pod.phase.on_node:
                having.add(pod.owner)
        self._usage = (self._usage or Usage(now, {})).later(now, working, self._site.batch.usage_half_life)
        waiting = {owner for owner, one in jobs.items() if one.idle and owner not in having}
        self._waiting = {owner: self._waiting.get(owner, now) for owner in waiting}
        return {owner: self._one(owner, now) for owner in {*jobs, *working, *self._usage.used}}

    def note(self, decision: Decision, jobs: Mapping[str, OwnerJobs], pods: Iterable[Pod], now: float) -> None:
        """Remember who seems to have room: whoever does for long, with nothing moving, is stuck."""
        roomy: dict[str, tuple[float, tuple[int, int]]] = {}
        untaken = _untaken(jobs, pods)
        for owner, reason in decision.reasons.items():
            has_room = reason.cause in (Cause.ROOM, Cause.UNTAKEN) or owner in untaken
            if owner in jobs and (has_room or self._stuck(owner, now)):
                counts = jobs[owner].idle, jobs[owner].running
                since, before = self._roomy.get(owner, (now, counts))
                roomy[owner] = (since if before == counts else now, counts)
        self._roomy = roomy

    async def keep(self, now: float) -> None:
        """Write what was used, at most once a minute; what cannot be written now is written later."""
        if self._usage is None or now - self._written < _EVERY:
            return
        self._written = now
        manifest = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {
                "name": NAME,
                "namespace": self._site.namespaces.facility,
                "labels": {names.LABEL_COMPONENT: "usage"},
            },
            "data": {KEY: self._usage.text()},
        }
        try:
            await self._cluster.apply(manifest)
        except ClusterError as error:
            _LOG.warning("what people have used is written later: %s", error)

    def hopeless(self, owner: str, made: float, now: float) -> bool:
        """Whether a pod of theirs that was made then and is idle will take none of the jobs that wait."""
        since = self._roomy.get(owner, (now, (0, 0)))[0]
        return now - max(since, made) >= _HOPELESS

    @property
    def used(self) -> Mapping[str, float]:
        """Decayed core-seconds by owner."""
        return self._usage.used if self._usage else {}

    @property
    def _reference(self) -> Reference:
        return Reference(CONFIG_MAP, self._site.namespaces.facility, NAME)

    def _one(self, owner: str, now: float) -> Past:
        return Past(self.used.get(owner, 0.0), now - self._waiting.get(owner, now), self._stuck(owner, now))

    def _stuck(self, owner: str, now: float) -> bool:
        return owner in self._roomy and now - self._roomy[owner][0] >= _PATIENCE


def _untaken(jobs: Mapping[str, OwnerJobs], pods: Iterable[Pod]) -> set[str]:
    """Owners of whom a pod does nothing although jobs wait that would fit into it."""
    idle = [pod for pod in pods if pod.phase is Phase.RUNNING and pod.used == NOTHING and not pod.retiring]
    return {
        pod.owner
        for pod in idle
        if pod.owner in jobs and any(need.shape.fits(pod.shape) for need in jobs[pod.owner].needs)
    }
