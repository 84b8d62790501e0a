"""What a facility has one of: its secrets and certificates, whom it trusts, and what depends on which VOs there are."""

from __future__ import annotations

from collections.abc import Callable

from facility.operator import certificates, trust
from facility.operator.apply import Applier
from facility.operator.build import everything
from facility.operator.certificates import Certificates
from facility.operator.cluster import Cluster
from facility.operator.coalesced import Coalesced
from facility.operator.discovery import Discovery
from facility.operator.mirrors import Mirrors
from facility.operator.objects import Manifest, Reference, reference
from facility.operator.secrets import Secrets
from facility.operator.validate import ValidatedVO
from facility.operator.wake import Wake
from facility.site import Site


class Whole:
    """Keeps it as it should be for the VOs in it."""

    def __init__(
        self,
        cluster: Cluster,
        site: Site,
        mirrors: Mirrors,
        applier: Applier,
        discovery: Discovery,
        wake: Wake,
        now: Callable[[], float],
        public: str,
    ) -> None:
        """`public`: the public certificate authorities, PEM."""
        self._site, self._public = site, public
        self._mirrors, self._applier, self._discovery, self._wake = mirrors, applier, discovery, wake
        self._secrets = Secrets(cluster, site, now, self._version)
        self.certificates = Certificates(cluster, now, mirrors.secret, mirrors.note)
        self._bundle = ""
        self._good: dict[str, ValidatedVO] = {}
        self._written: dict[str, object] = {}
        self._work = Coalesced(self._once)
        #: what it has built, some of it perhaps for one VO
        self.built: frozenset[Reference] = frozenset()

    async def of_vo(self, vo: ValidatedVO) -> None:
        """Make what one VO's servers need first: their certificates. Raises ClusterError."""
        ca = await self._secrets.authority()
        await self.certificates.ensure(ca, certificates.of_vo(vo.vo, self._site))

    def holds(self, name: str, vo: ValidatedVO | None) -> bool:
        """Count that VO in, or leave it out; returns whether what is written says otherwise."""
        if vo:
            self._good[name] = vo
        else:
            self._good.pop(name, None)
        return _matter(vo) != self._written.get(name)

    async def again(self) -> None:
        """Write it for the VOs as they are now. Raises ClusterError."""
        await self._work.again()

    async def _once(self) -> None:
        ca = await self._secrets.ensure()
        await self.certificates.ensure(ca, certificates.of_site(self._site))
        own = trust.bundle("", ca.certificate.decode(), self._site)
        bundle = trust.bundle(self._public, ca.certificate.decode(), self._site)
        if bundle != self._bundle:
            await self._discovery.trust(trust.context(bundle))
            self._bundle = bundle
        vos = sorted(self._good.values(), key=lambda one: (one.vo.created, one.name))
        await self._write([*trust.build(bundle, own, self._site), *everything.of_site(vos, self._site)])
        self._written = {one.name: _matter(one) for one in vos}

    async def _write(self, manifests: list[Manifest]) -> None:
        self.built = frozenset(reference(one) for one in manifests)
        changed = await self._applier.apply(manifests)
        await self._wake.of(changed)
        await self._applier.prune(self._mirrors.built_of("") - self.built)

    def _version(self, ref: Reference) -> str | None:
        found = self._mirrors.secret(ref)
        return found.version if found else None


def _matter(vo: ValidatedVO | None) -> object:
    """What of a VO the whole facility may depend on: not its people, not how it fares."""
    return vo and (vo.vo.uid, vo.vo.generation, vo.vo.spec, vo.vo.deleting, dict(vo.addresses))
