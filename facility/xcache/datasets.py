"""The file that tells a cache what it is to hold (images/xcache/lakes/datasets.hh), and how much of it at most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from facility import quantity
from facility.datasets import CachedDataset
from facility.vo import VirtualOrganization
from facility.xcache.text import safe

#: part of the caches' size that what is not pinned may be: XRootD begins to make room at nine tenths
_ONCE = 0.8


def render(vo: VirtualOrganization, datasets: Iterable[CachedDataset]) -> str:
    """A line `<name> <generation> once|pinned <bytes> <path>` for each path; older datasets come first, and those that
    are done or that this VO cannot have are left out."""
    wanted = sorted((one for one in datasets if not one.done and not one.problem(vo)), key=lambda one: one.created)
    return "".join(line for one, limit in limits(vo, wanted) for line in _lines(one, limit))


def limits(vo: VirtualOrganization, datasets: Iterable[CachedDataset]) -> Iterator[tuple[CachedDataset, int]]:
    """Each with the bytes that are brought of it at most; the pinned ones share what the VO lets them have."""
    room = int(quantity.parse(vo.spec.cache.size)) * vo.spec.cache.replicas
    pinned = room * vo.spec.cache.pinned_percent // 100
    for one in datasets:
        most = pinned if one.spec.pinned else int(_ONCE * room)
        limit = min(most, int(quantity.parse(one.spec.limit))) if one.spec.limit else most
        if one.spec.pinned:
            pinned -= limit
        yield one, limit


def _lines(dataset: CachedDataset, limit: int) -> Iterator[str]:
    keep = "pinned" if dataset.spec.pinned else "once"
    for path in dataset.spec.paths:
        yield f"{dataset.name} {dataset.generation} {keep} {limit} {safe('path', path)}\n"
