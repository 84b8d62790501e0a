"""The loop: dereference, validate, build, apply, status. One pass at a time, so nothing here is raced by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from facility.operator import certificates, trust
from facility.operator.apply import Applier
from facility.operator.build import everything
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.dereference import dereference
from facility.operator.discovery import Discovery
from facility.operator.facts import Facts
from facility.operator.objects import Manifest, Reference, reference
from facility.operator.pki import Pair
from facility.operator.secrets import Secrets
from facility.operator.status import status
from facility.operator.trigger import Trigger
from facility.operator.users import allocate
from facility.operator.validate import READY, Problem, ValidatedVO, Verdict, validate
from facility.operator.wake import wake
from facility.site import Site

_LOG = logging.getLogger(__name__)
_LIMIT = 120  # seconds for one pass; every request in it has a shorter limit of its own


@dataclass
class _Pass:
    """What one pass has found and done."""

    ca: Pair
    present: dict[Reference, Manifest]
    built: set[Reference] = field(default_factory=set)
    failures: dict[str, Problem] = field(default_factory=dict)


class Reconciler:
    """Brings the cluster to what the objects say."""

    def __init__(
        self, cluster: Cluster, site: Site, discovery: Discovery, now: Callable[[], float], public: str
    ) -> None:
        """`public`: the public certificate authorities, PEM."""
        self._cluster, self._site, self._discovery, self._now, self._public = cluster, site, discovery, now, public
        self._secrets = Secrets(cluster, site, now)
        self._certificates = certificates.Certificates(cluster, site, now)
        self._applier = Applier(cluster, site)
        self._bundle = ""
        #: the VOs that the last pass has served
        self.served: tuple[ValidatedVO, ...] = ()

    async def run(self, trigger: Trigger) -> None:
        """For ever. A pass that fails is told in the log, and tried again at the next occasion."""
        while True:
            try:
                async with asyncio.timeout(_LIMIT):
                    await self.once()
            except (ClusterError, TimeoutError) as error:
                _LOG.warning("this round failed, the next one tries again: %s", str(error) or "it took too long")
            await trigger.wait()

    async def once(self) -> None:
        """One pass. Raises ClusterError when the API server fails it."""
        this = await self._prepare()
        facts = await dereference(self._cluster, self._discovery, self._site)
        users = await allocate(self._cluster, self._site.namespaces.facility, facts.users)
        facts = replace(facts, users=tuple(users))
        verdicts = validate(facts)
        await self._serve(verdicts, this)
        await self._remove(verdicts, this)
        await self._tell(verdicts, facts, this)

    async def _prepare(self) -> _Pass:
        """Secrets, certificates and trust: what everything else stands on, VOs or none."""
        ca = await self._secrets.ensure()
        await self._certificates.ensure(ca, certificates.of_site(self._site))
        this = _Pass(ca, await self._applier.present())
        bundle = trust.bundle(self._public, ca.certificate.decode(), self._site)
        if bundle != self._bundle:
            self._discovery.trust(trust.context(bundle))
            self._bundle = bundle
        await self._write(trust.build(bundle, self._site), this)
        return this

    async def _serve(self, verdicts: Sequence[Verdict], this: _Pass) -> None:
        good = [verdict for verdict in verdicts if isinstance(verdict, ValidatedVO)]
        await self._write(everything.of_site(good, self._site), this)
        for verdict in good:
            try:
                await self._certificates.ensure(this.ca, certificates.of_vo(verdict.vo, self._site))
                await self._write(everything.of_vo(verdict, self._site), this)
            except ValueError as error:  # this VO's own trouble, here as below: the others are not to wait for it
                this.failures[verdict.name] = Problem(READY, "CannotBuild", str(error))
            except ClusterError as error:
                this.failures[verdict.name] = Problem(READY, "CannotApply", str(error), passing=verdict.vo.ready)
        for name, problem in this.failures.items():
            _LOG.warning("VO %s: %s", name, problem.message)
        self.served = tuple(one for one in good if one.name not in this.failures or this.failures[one.name].passing)

    async def _write(self, manifests: Sequence[Manifest], this: _Pass) -> None:
        this.built |= {reference(one) for one in manifests}
        written = set(await self._applier.apply(manifests, this.present))
        await wake(self._cluster, (one for one in manifests if reference(one) in written), self._now())

    async def _remove(self, verdicts: Sequence[Verdict], this: _Pass) -> None:
        """What belongs to a VO goes when its object goes, never because something is wrong with it for a while."""
        every = {verdict.name for verdict in verdicts}
        whole = {one.name for one in self.served} - set(this.failures)
        await self._applier.prune(this.built, every - whole, this.present)
        await self._certificates.prune(every)

    async def _tell(self, verdicts: Sequence[Verdict], facts: Facts, this: _Pass) -> None:
        manifests = {one["metadata"]["name"]: one for one in facts.vos}
        for verdict in verdicts:
            manifest, failure = manifests[verdict.name], this.failures.get(verdict.name)
            before, generation = manifest.get("status") or {}, manifest["metadata"].get("generation", 0)
            after = status(verdict, before, generation, self._now(), failure)
            if after != before:
                await self._applier.status(verdict.name, after)
