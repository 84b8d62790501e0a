"""How far a dataset is, from what the VO's caches say of it. Pure; datasets.py asks and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from facility import quantity
from facility.datasets import COMPLETE, CachedDataset
from facility.operator.objects import Manifest
from facility.operator.status import Finding, condition
from facility.operator.validate import READY

#: what one cache says of a dataset (images/xcache/lakes/datasets.cc); None: it does not answer, or knows nothing of it
Word = Mapping[str, Any] | None


def refused(why: str) -> Finding:
    """Of one that no cache can hold."""
    return "False", "Refused", why


def status(dataset: CachedDataset, words: Sequence[Word], now: float, finding: Finding | None = None) -> Manifest:
    """The status to write. words: of each of the VO's caches; finding: what is known without them."""
    known = [one for one in words if one and one["generation"] == dataset.generation]
    files, size = (max((int(one[key]) for one in known), default=0) for key in ("files", "bytes"))
    there, present = (sum(int(one[key]) for one in known) for key in ("presentFiles", "presentBytes"))
    before = next((one for one in dataset.status.conditions if one.type == READY), None)
    found = finding or _finding(known, len(words), files, there)
    progress = (
        f"{there} of {files} files, {quantity.size(Decimal(present))} of {quantity.size(Decimal(size))}"
        if known
        else ""
    )
    return {
        "observedGeneration": dataset.generation,
        "files": files,
        "bytes": size,
        "presentFiles": there,
        "presentBytes": present,
        "progress": progress,
        "conditions": [
            condition(READY, found, before.model_dump(by_alias=True) if before else None, dataset.generation, now)
        ],
    }


def _finding(known: Sequence[Mapping[str, Any]], caches: int, files: int, there: int) -> Finding:
    if len(known) < caches:
        return "Unknown", "CacheSilent", f"{caches - len(known)} of the VO's {caches} caches say nothing of it yet"
    problem = next((str(one["problem"]) for one in known if one["problem"]), "")
    beyond = max(int(one["beyond"]) for one in known)
    past = f"; {beyond} more are past the limit" if beyond else ""
    if beyond and not files:
        return (
            "False",
            "NoRoom",
            f"{beyond} files, and the VO's caches may hold none of them: see limit and pinnedPercent",
        )
    if any(not one["rounds"] for one in known):
        return "False", "Bringing", f"files are being brought{past}"
    if problem or there < files:
        failed = sum(int(one["failed"]) for one in known)
        told = f"{failed} files failed, and are tried again: " if failed else ""
        return "False", "Incomplete", f"{told}{problem or 'some files went again'}{past}"
    return "True", COMPLETE, f"all {files} files are there{past}"
