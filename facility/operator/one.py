"""One VO: dereference, validate, build, apply, status; and how it goes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from facility.operator import events, removal
from facility.operator.apply import Applier
from facility.operator.build import everything
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.dereference import Dereference
from facility.operator.events import News, Recorder
from facility.operator.mirrors import Mirrors
from facility.operator.objects import VIRTUAL_ORGANIZATION, Manifest, Reference, reference
from facility.operator.status import status
from facility.operator.validate import READY, Problem, ValidatedVO, Verdict, judge, people
from facility.operator.wake import Wake
from facility.operator.whole import Whole
from facility.site import Site

_LOG = logging.getLogger(__name__)
_CLOSING = 2.0  # seconds between two looks at what is left of a VO that goes


class VOs:
    """Brings the cluster to what a VO's object says. Each VO by itself: one's trouble is never another's."""

    def __init__(
        self,
        cluster: Cluster,
        site: Site,
        mirrors: Mirrors,
        sources: Dereference,
        whole: Whole,
        applier: Applier,
        recorder: Recorder,
        wake: Wake,
        now: Callable[[], float],
    ) -> None:
        self._cluster, self._site, self._now = cluster, site, now
        self._mirrors, self._sources, self._whole = mirrors, sources, whole
        self._applier, self._recorder, self._wake = applier, recorder, wake
        self._served: dict[str, ValidatedVO] = {}

    @property
    def served(self) -> tuple[ValidatedVO, ...]:
        """The VOs that are in place, closed ones too."""
        return tuple(self._served.values())

    def count_in(self, name: str) -> None:
        """Count a VO in, or leave it out, as far as is known without asking anybody: for the very first look."""
        verdict = self._verdict(name)
        self._whole.holds(name, verdict if isinstance(verdict, ValidatedVO) else None)

    async def reconcile(self, name: str) -> float | None:
        """Do all that is to be done. Returns seconds after which to come again, if it is not enough to be called.

        Raises ClusterError when it was not possible, having told so in the VO's status as far as it could.
        """
        leaving = await self._leaving(name)
        self._sources.look_after(name)
        if name not in self._mirrors.vos:
            await self._gone(name)
            return math.inf
        again = _CLOSING if leaving and not leaving.release else None
        if not self._sources.complete(name):
            return again
        verdict = self._verdict(name)
        failure = await self._serve(verdict)
        await self._tell(verdict, failure or (leaving.problem if leaving else None))
        if failure and failure.reason == "CannotApply":
            raise ClusterError(failure.message)
        return again

    def _verdict(self, name: str) -> Verdict:
        facts = self._sources.facts(name)
        mine = people(facts.users).get(name, ())
        return judge(facts.vos[0], facts, self._sources.elders(name), mine)

    async def _serve(self, verdict: Verdict) -> Problem | None:
        """Build and apply it if it is good; what runs of one that is not is left alone. Returns what went wrong."""
        good = verdict if isinstance(verdict, ValidatedVO) else None
        if self._whole.holds(verdict.name, good):
            await self._whole.again()
        failure = await self._try(good) if good else None
        if failure:
            _LOG.warning("VO %s: %s", verdict.name, failure.message)
        if good and (failure is None or failure.passing):
            self._served[verdict.name] = good
        else:
            self._served.pop(verdict.name, None)
        return failure

    async def _try(self, good: ValidatedVO) -> Problem | None:
        try:
            await self._hold(good)
            await self._whole.of_vo(good)
            await self._write(good)
        except ValueError as error:
            return Problem(READY, "CannotBuild", str(error))
        except ClusterError as error:
            return Problem(READY, "CannotApply", str(error), passing=good.vo.ready)
        return None

    async def _write(self, good: ValidatedVO) -> None:
        manifests = everything.of_vo(good, self._site)
        changed = await self._applier.apply(manifests)
        await self._wake.of(changed)
        wanted = {reference(one) for one in manifests} | self._whole.built
        await self._applier.prune(self._mirrors.built_of(good.name) - wanted)

    async def _tell(self, verdict: Verdict, problem: Problem | None) -> None:
        manifest = self._mirrors.vos[verdict.name]
        before, generation = manifest.get("status") or {}, manifest["metadata"].get("generation", 0)
        after = status(verdict, before, generation, self._now(), problem)
        if after == before:
            return
        await self._applier.status(verdict.name, after)
        for news in events.changes(before, after):
            self._recorder.tell(manifest, news)

    # coming and going

    async def _hold(self, good: ValidatedVO) -> None:
        """Put the finalizer on, before anything is made that its removal would have to wait for."""
        manifest = self._mirrors.vos[good.name]
        if removal.needs_finalizer(manifest, good):
            await self._patch(manifest, put=True)

    async def _leaving(self, name: str) -> removal.Step | None:
        """See how far the removal of a VO is, and let it go when that is done or has taken too long."""
        manifest = self._mirrors.vos.get(name)
        if manifest is None or not removal.deleting(manifest) or not removal.held(manifest):
            return None
        step = await removal.look(self._cluster, self._site, manifest, self._now())
        if step.release:
            reason = "Removed" if step.kind == "Normal" else "RemovedIncompletely"
            self._recorder.tell(manifest, News(step.kind, reason, step.message))
            await self._patch(manifest, put=False)
        return step

    async def _patch(self, manifest: Manifest, put: bool) -> None:
        ref = Reference(VIRTUAL_ORGANIZATION, self._site.namespaces.facility, manifest["metadata"]["name"])
        answer = await self._cluster.merge(ref, removal.patch(manifest, put))
        if answer["metadata"].get("deletionTimestamp") and not answer["metadata"].get("finalizers"):
            self._mirrors.vos.forget(answer)  # it is gone with its last finalizer
        else:
            self._mirrors.note(answer)

    async def _gone(self, name: str) -> None:
        """What belongs to a VO goes when its object goes, never because something is wrong with it for a while."""
        self._served.pop(name, None)
        if self._whole.holds(name, None):
            await self._whole.again()
        await self._applier.prune(self._mirrors.built_of(name) - self._whole.built)
        await self._whole.certificates.prune(self._mirrors.certificates_of(name))
