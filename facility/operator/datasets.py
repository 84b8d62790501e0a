"""Asks the VOs' caches how far their datasets are, and writes that into the CachedDataset objects."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import aiohttp
from pydantic import ValidationError

from facility.datasets import CachedDataset
from facility.operator.cluster import Cluster, ClusterError
from facility.operator.dataset_status import Word, refused, status
from facility.operator.objects import CACHED_DATASET, Manifest, Reference
from facility.operator.status import Finding
from facility.operator.validate import ValidatedVO, spec_error
from facility.site import Site
from facility.xcache import places

_LOG = logging.getLogger(__name__)
_ROUND = 5.0  # seconds
_PATIENCE = aiohttp.ClientTimeout(total=5)
#: of a URL, its JSON; raises OSError, ValueError or aiohttp.ClientError
Ask = Callable[[str], Awaitable[Any]]


class Datasets:
    """For all VOs. known: the objects as they stand, by name; ask: instead of over http."""

    def __init__(
        self,
        cluster: Cluster,
        site: Site,
        known: Mapping[str, Manifest],
        now: Callable[[], float],
        ask: Ask | None = None,
    ) -> None:
        self._cluster, self._site, self._known, self._now, self._ask = cluster, site, known, now, ask or _asked

    async def run(self, served: Callable[[], Iterable[ValidatedVO]]) -> None:
        """For ever."""
        while True:
            try:
                await self.once(served())
            except ClusterError as error:
                _LOG.info("how datasets fare is not written: %s", error)
            await asyncio.sleep(_ROUND)

    async def once(self, served: Iterable[ValidatedVO]) -> None:
        """Look at all, and write what has changed. Raises ClusterError."""
        vos = {one.name: one for one in served}
        words: dict[str, list[Mapping[str, Any]]] = {}
        for name, manifest in sorted(self._known.items()):
            try:
                dataset = CachedDataset.parse(manifest)
            except ValidationError as error:
                _LOG.info("dataset %s: %s", name, spec_error(error))
                continue
            if dataset.done:
                continue
            finding = _hindered(dataset, vos.get(dataset.spec.vo))
            if finding is None and dataset.spec.vo not in words:
                words[dataset.spec.vo] = await self._words(vos[dataset.spec.vo])
            said: Sequence[Word] = [one.get(name) for one in words.get(dataset.spec.vo, ())] if finding is None else ()
            await self._write(name, manifest, status(dataset, said, self._now(), finding))

    async def _words(self, vo: ValidatedVO) -> list[Mapping[str, Any]]:
        """What each of its caches says, by dataset; nothing from one that does not answer."""
        hosts = self._site.xcaches(vo.name, vo.vo.spec.cache.replicas)
        urls = [f"http://{host}:{places.METRICS_PORT}/{places.PROGRESS}" for host in hosts]
        return list(await asyncio.gather(*(self._word(url) for url in urls)))

    async def _word(self, url: str) -> Mapping[str, Any]:
        try:
            return {str(one["name"]): one for one in await self._ask(url)}
        except (OSError, ValueError, TypeError, LookupError, aiohttp.ClientError) as error:
            _LOG.debug("%s: %s", url, error)
            return {}

    async def _write(self, name: str, manifest: Manifest, after: Manifest) -> None:
        before = manifest.get("status") or {}
        if after != {key: before.get(key) for key in after}:
            ref = Reference(CACHED_DATASET, self._site.namespaces.facility, name)
            await self._cluster.merge(ref, {"status": after}, "status")


def _hindered(dataset: CachedDataset, vo: ValidatedVO | None) -> Finding | None:
    """What keeps caches from holding it, if something does."""
    if vo is None:
        return refused(f"VO {dataset.spec.vo} is not served here: see `kubectl get vo`")
    if vo.vo.closed:
        return refused(f"VO {vo.name} {vo.vo.closed}: its caches are stopped")
    problem = dataset.problem(vo.vo)
    return refused(problem) if problem else None


async def _asked(url: str) -> Any:
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(url) as answer:
        answer.raise_for_status()
        return json.loads(await answer.text())
