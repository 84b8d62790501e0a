"""Execute pods on demand: jobs that wait become pods of their owners, as shares and limits allow, and none is killed.

Each round reads the queues, decides (`facility.condor.share`), and does it: makes pods, asks others to take no more
jobs, deletes what has ended, and says in people's objects how their jobs fare and why they wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from facility import names
from facility.condor import idtoken
from facility.condor.amounts import Shape
from facility.condor.jobs import OwnerJobs
from facility.condor.share import decide
from facility.condor.situation import NOTHING, Decision, Phase, Pod
from facility.operator import entries, situation
from facility.operator.batch_status import BatchStatuses
from facility.operator.cluster import Cluster, ClusterError, ConflictError
from facility.operator.events import News
from facility.operator.fare import fare
from facility.operator.making import Maker
from facility.operator.objects import CUSTOM, POD, Manifest, Reference
from facility.operator.pods import BatchPods
from facility.operator.reading import Queue, QueueMaker, Reading
from facility.operator.renewal import Renewal
from facility.operator.room import Room
from facility.operator.standing import Standing
from facility.operator.validate import ValidatedVO
from facility.site import Site
from facility.users import FacilityUser

__all__ = ["Demand", "Queue", "QueueMaker"]
_LOG = logging.getLogger(__name__)
_KEPT = 60.0  # seconds that an ended pod is kept for its log
_PAUSE = 30.0  # seconds after which an owner whose pod was refused is tried again
_SUDDEN = 120.0  # seconds: what fails sooner would fail again, so its owner gets no other as long as it is kept
#: seconds on a node after which a pod takes no more jobs, well before it would by itself, as its token grows old
_OLD = idtoken.EXECUTE_LIFE * 0.45
#: seconds after which a pod that has a node and does not start is given up: where the kubelet says that it cannot, and
#: where it says nothing
_STALLED, _SLOW = 120.0, 1200.0
_DUE = "its cores are due to others by their shares"
_FAILED = "The last execute pod failed as soon as it was made; another is tried within a minute."


class Demand:
    """Turns waiting jobs into execute pods."""

    def __init__(
        self,
        cluster: Cluster,
        site: Site,
        now: Callable[[], float],
        queue: QueueMaker,
        pods: BatchPods,
        period: float = 1,
    ) -> None:
        """`queue`: makes a reader; each VO has its own, so that none waits for another's. `period`: seconds."""
        self._cluster, self._site, self._now, self._period = cluster, site, now, period
        self._mirror = pods
        #: is told of a VO, as an object that events can be about, and what to say of it
        self.told: Callable[[Manifest, News], None] = lambda _vo, _news: None
        #: the last decision and what it was taken from, and seconds that all have taken, for whoever counts
        self.decision, self.jobs, self.pods = Decision(), dict[str, OwnerJobs](), list[Pod]()
        self.deciding = 0.0
        self.standing = Standing(cluster, site)
        self._reading = Reading(site, now, queue, period)
        self._statuses = BatchStatuses(cluster, site)
        self._maker = Maker(cluster, site, now, pods)
        self._renewal = Renewal(now, self._maker.renew)
        self._room = Room()
        self._refused: dict[str, tuple[float, str]] = {}
        self._trouble = ""

    async def run(self, served: Callable[[], Sequence[ValidatedVO]]) -> None:
        """For ever, every `period`. `served`: the VOs as they are at that time."""
        while True:
            begun = self._now()
            try:
                await self.once(served())
                self._said("")
            except ClusterError as error:
                self._said(str(error))
            except Exception as error:  # a mistake that one queue or pod brings to light must not end the batch system
                self._said(f"waiting jobs are not looked at: {type(error).__name__}: {error}", error)
            await asyncio.sleep(max(0.0, self._period - (self._now() - begun)))

    async def once(self, served: Sequence[ValidatedVO]) -> None:
        """One round. Raises ClusterError when the API server fails it."""
        await self._clear(served)
        await self.standing.load(self._now())
        open_ = {one.name: one for one in served if one.vo.spec.batch.enabled and not one.vo.closed}
        answers = await self._reading.look(set(open_) & self._mirror.answering(), self._maker.key)
        unknown = [name for name in open_ if name not in answers]
        self.jobs = {one.owner: one for jobs in answers.values() for one in jobs}
        self.pods = situation.pods(self._mirror.execute, self.jobs, unknown, self._site, self._now())
        await self._decide(open_, [one.name for one in served if not one.vo.spec.batch.enabled])
        await self._do(open_)
        people = {user.owner: user for one in open_.values() for user in one.users}
        await self._renewal.look(self._mirror.execute, people)
        await self.standing.keep(self._now())
        told = fare(open_.values(), self.jobs, self.pods, self.decision, self._hindered())
        await self._statuses.tell(told, set(answers), self._now())

    async def _decide(self, served: Mapping[str, ValidatedVO], ended: Collection[str]) -> None:
        past = self.standing.of(self.jobs, self.pods, self._now())
        lately = self._room.lately(self.pods, self._now())
        seen = situation.situation(served, self.jobs, self.pods, self._site, past, ended, lately)
        begun = time.monotonic()
        self.decision = await asyncio.to_thread(decide, seen)  # a moment, with thousands of people
        self.deciding += time.monotonic() - begun
        self.standing.note(self.decision, self.jobs, self.pods, self._now())

    async def _do(self, served: Mapping[str, ValidatedVO]) -> None:
        for name in self.decision.drop:
            await self._drop(name)
        for name, why in self._leaving().items():
            await self._retire(name, why)
        hindered = set(self._hindered())
        for new in self.decision.create:
            found = _person(served, new.owner)
            if found and new.owner not in hindered and not await self._make(*found, new.shape):
                hindered.add(new.owner)

    async def _make(self, one: ValidatedVO, user: FacilityUser, shape: Shape) -> bool:
        """Whether the cluster has taken it. That one VO's image or quota is refused is nobody else's trouble."""
        try:
            await self._maker.make(one.vo, user, shape)
        except ClusterError as error:
            self._refuse(one, user.owner, str(error))
            return False
        self._refused.pop(user.owner, None)
        return True

    async def _drop(self, name: str) -> None:
        """Delete a pod that has found no node, unless it has found one meanwhile, or has gone."""
        if name not in self._mirror.execute or self._mirror.execute[name].going:
            return
        version = self._mirror.execute.version(name)
        with suppress(ConflictError):
            await self._cluster.delete(Reference(POD, self._site.namespaces.batch, name), version)

    def _leaving(self) -> dict[str, str]:
        """Pods that are to take no more jobs now, and why."""
        now, known = self._now(), self._mirror.execute
        staying = [pod for pod in self.pods if not pod.retiring and pod.phase is Phase.RUNNING and pod.name in known]
        old = [pod.name for pod in staying if now - known[pod.name].begun > _OLD]
        idle = [pod for pod in staying if pod.used == NOTHING]
        useless = [pod.name for pod in idle if self.standing.hopeless(pod.owner, known[pod.name].begun, now)]
        reasons = ((useless, "it takes none of the jobs that wait"), (old, "its token grows old"))
        return {name: why for pods, why in (*reasons, (self.decision.retire, _DUE)) for name in pods}

    async def _retire(self, name: str, why: str) -> None:
        """Ask a pod to take no more jobs; it may have ended meanwhile."""
        patch = {"metadata": {"annotations": {names.ANNOTATION_RETIRE: why}}}
        try:
            answer = await self._cluster.merge(Reference(POD, self._site.namespaces.batch, name), patch)
        except ClusterError as error:
            _LOG.info("execute pod %s is asked to leave later: %s", name, error)
            return
        self._mirror.execute.note(answer, own=True)
        _LOG.info("execute pod %s is asked to leave: %s", name, why)

    async def _clear(self, served: Sequence[ValidatedVO]) -> None:
        """Delete what has ended, what works for people of closed VOs, and what never starts."""
        known = {one.name: one for one in served}
        for name, pod in list(self._mirror.execute.items()):
            one = known.get(pod.vo)
            ended = pod.phase in ("Succeeded", "Failed") and self._now() - pod.ended >= _KEPT
            if (ended or (one and one.vo.closed)) and not pod.going:
                await self._cluster.delete(Reference(POD, self._site.namespaces.batch, name))
            elif why := self._stalled(pod):
                await self._drop(name)
                if one:
                    self._refuse(one, pod.owner, f"{name} did not start: {why}")

    def _stalled(self, pod: entries.Pod) -> str:
        """Why a pod that has a node is given up; "" while it may start yet."""
        age = self._now() - pod.begun
        if pod.phase != "Pending" or not pod.placed or pod.going or age < _STALLED:
            return ""
        return pod.stalled or ("its node has not got it to run" if age > _SLOW else "")

    def _hindered(self) -> dict[str, str]:
        """Owners for whom no pod can be made now, and why: one that has just failed at once, or was refused."""
        now = self._now()
        failed = [
            pod.owner
            for pod in self._mirror.execute.values()
            if pod.phase == "Failed" and pod.ended - pod.begun < _SUDDEN and now - pod.ended < _KEPT
        ]
        refused = {owner: error for owner, (when, error) in self._refused.items() if now - when < _PAUSE}
        told = {owner: f"The cluster has no execute pod for them: {error}" for owner, error in refused.items()}
        return dict.fromkeys(failed, _FAILED) | told

    def _refuse(self, one: ValidatedVO, owner: str, error: str) -> None:
        about = f"execute pod for {owner}"
        if self._refused.get(owner, (0.0, ""))[1] != error:
            _LOG.warning("%s: %s", about, error)
        self._refused[owner] = self._now(), error
        self.told(_object(one, self._site), News("Warning", "ExecutePodRefused", f"{about}: {error}"))

    def _said(self, trouble: str, mistake: Exception | None = None) -> None:
        """Into the log when it has changed, not every round; a mistake of ours with the place where it is."""
        if self._trouble != trouble:
            _LOG.log(logging.ERROR if mistake else logging.WARNING, "%s", trouble or "well again", exc_info=mistake)
        self._trouble = trouble


def _person(served: Mapping[str, ValidatedVO], owner: str) -> tuple[ValidatedVO, FacilityUser] | None:
    vo = served.get(owner.partition("_")[0])
    found = [user for user in vo.users if user.owner == owner] if vo else []
    return (vo, found[0]) if vo and found else None


def _object(served: ValidatedVO, site: Site) -> Manifest:
    """The VO as events can be about it."""
    meta = {"name": served.name, "namespace": site.namespaces.facility, "uid": served.vo.uid}
    return {"apiVersion": CUSTOM, "kind": "VirtualOrganization", "metadata": meta}
