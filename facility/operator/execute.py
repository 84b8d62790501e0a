"""Execute pods on demand: an owner with idle jobs gets a pod that works for them alone; ended pods are cleared away."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Sequence

from facility import names
from facility.condor import idtoken
from facility.condor.demand import ExecutePod, wanted
from facility.operator.build.execute_pod import execute_pod
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.entries import Pod
from facility.operator.events import News
from facility.operator.objects import CUSTOM, POD, SECRET, Manifest, Reference
from facility.operator.pods import BatchPods
from facility.operator.questions import Questions, QueueMaker
from facility.operator.secrets import POOL, content
from facility.operator.validate import ValidatedVO
from facility.site import Site
from facility.users import FacilityUser

_LOG = logging.getLogger(__name__)
_KEPT = 60  # seconds that an ended pod is kept for its log; as long, a pod that failed is not followed by another
_PAUSE = 30  # seconds after which an owner whose pod was refused is tried again
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Demand:
    """Turns idle jobs into execute pods."""

    def __init__(
        self,
        cluster: Cluster,
        site: Site,
        now: Callable[[], float],
        queue: QueueMaker,
        pods: BatchPods,
        period: float = 2,
    ) -> None:
        """`queue`: makes a reader, one for each VO. `period`: seconds."""
        self._cluster, self._site, self._now, self._pods, self._period = cluster, site, now, pods, period
        self._questions = Questions(queue, self._key, site.schedd, self._said)
        #: is told of a VO, as an object that events can be about, and what to say of it
        self.told: Callable[[Manifest, News], None] = lambda _vo, _news: None
        self._refused: dict[str, float] = {}
        self._troubles: dict[str, str] = {}

    async def run(self, served: Callable[[], Sequence[ValidatedVO]]) -> None:
        """For ever, every `period`. `served`: the VOs as they are at that time."""
        while True:
            begun = self._now()
            try:
                await self.once(served())
                self._said("operator", "")
            except ClusterError as error:
                self._said("operator", str(error))
            await asyncio.sleep(max(0.0, self._period - (self._now() - begun)))

    async def once(self, served: Sequence[ValidatedVO]) -> None:
        """One round. Raises ClusterError when the API server fails it."""
        await self._clear({one.name for one in served if one.vo.closed})
        answering = self._pods.answering()
        open_ = {one.name: one for one in served if one.vo.spec.batch.enabled and not one.vo.closed}
        queued = {name: one for name, one in open_.items() if name in answering}
        queues = await self._questions.ask(queued, self._period)
        limits = {name: one.vo.spec.batch.max_execute_pods for name, one in queued.items()}
        for owner in wanted(queues, self._counted(), limits):
            found = _person(queued, owner)
            if found and self._now() - self._refused.get(owner, float("-inf")) >= _PAUSE:
                await self._try(*found)

    def _said(self, about: str, trouble: str) -> None:
        """Into the log when it has changed, not every two seconds."""
        if self._troubles.get(about, "") != trouble:
            _LOG.warning("%s: %s", about, trouble or "well again")
        self._troubles[about] = trouble

    def _counted(self) -> list[ExecutePod]:
        """Pods that work or will, and those that failed just now: what failed at once would fail again at once."""
        return [
            ExecutePod(name, pod.owner)
            for name, pod in self._pods.execute.items()
            if pod.phase != "Succeeded" and not (pod.phase == "Failed" and self._old(pod))
        ]

    def _old(self, pod: Pod) -> bool:
        return self._now() - pod.ended >= _KEPT

    async def _clear(self, closed: Collection[str]) -> None:
        """Delete what has ended, and what works for people of closed VOs."""
        for name, pod in list(self._pods.execute.items()):
            ended = pod.phase in ("Succeeded", "Failed") and self._old(pod)
            if (ended or pod.vo in closed) and not pod.going:
                await self._cluster.delete(Reference(POD, self._site.namespaces.batch, name))

    async def _try(self, served: ValidatedVO, user: FacilityUser) -> None:
        """A pod that is refused, for one VO's image or quota say, is nobody else's trouble."""
        about = f"execute pod for {user.owner}"
        try:
            await self._create(served, user)
            self._said(about, "")
            self._refused.pop(user.owner, None)
        except ClusterError as error:
            self._said(about, str(error))
            self._refused[user.owner] = self._now()
            self.told(_object(served, self._site), News("Warning", "ExecutePodRefused", f"{about}: {error}"))

    async def _create(self, served: ValidatedVO, user: FacilityUser) -> None:
        """The Secret, then the pod that mounts it, then the pod as the Secret's owner: they go together."""
        tail = "".join(secrets.choice(_LETTERS) for _ in range(5))
        name = f"ep-{user.hub_user}-{tail}"
        token = await self._token(user)
        secret, pod = execute_pod(served.vo, user, self._site, name, token)
        namespace = self._site.namespaces.batch
        await self._cluster.create(secret)
        ref = Reference(SECRET, namespace, secret["metadata"]["name"])
        try:
            made = await self._cluster.create(pod)
            owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": made["metadata"]["uid"]}
            await self._cluster.merge(ref, {"metadata": {"ownerReferences": [owner]}})
            self._pods.execute.note(made, own=True)  # counted from now on, whenever the watch tells of it
        except ClusterError:
            # both: a pod without its Secret would wait for it for ever, and count as its owner's
            await self._cluster.delete(Reference(POD, namespace, name))
            await self._cluster.delete(ref)
            raise
        _LOG.info("execute pod %s for %s", name, user.owner)

    async def _token(self, user: FacilityUser) -> str:
        identity = f"{user.owner}@{names.TRUST_DOMAIN}"
        return idtoken.mint(await self._key(), identity, idtoken.EXECUTE_SCOPES, self._now())

    async def _key(self) -> bytes:
        pool = await self._cluster.read(Reference(SECRET, self._site.namespaces.batch, POOL))
        if pool is None:
            raise ClusterError(f"Secret {POOL} is missing; it is made again within seconds")
        return content(pool)[idtoken.KEY_NAME]


def _person(served: dict[str, ValidatedVO], owner: str) -> tuple[ValidatedVO, FacilityUser] | None:
    vo = served.get(owner.partition("_")[0])
    found = [user for user in vo.users if user.owner == owner] if vo else []
    return (vo, found[0]) if vo and found else None


def _object(served: ValidatedVO, site: Site) -> Manifest:
    """The VO as events can be about it."""
    meta = {"name": served.name, "namespace": site.namespaces.facility, "uid": served.vo.uid}
    return {"apiVersion": CUSTOM, "kind": "VirtualOrganization", "metadata": meta}
