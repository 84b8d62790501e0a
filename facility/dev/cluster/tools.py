"""kind, helm, kubectl and kubeconform, built from their Go modules into the cache."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facility.dev.cluster import golang, programs

ALL = {p.name: p for p in (programs.KIND, programs.HELM, programs.KUBECTL, programs.KUBECONFORM)}


def ensure(names: Sequence[str] = tuple(ALL)) -> dict[str, Path]:
    """Have these tools; their paths by name. Two are built at a time: linking uses one core only."""
    with ThreadPoolExecutor(max_workers=2) as two:
        return dict(zip(names, two.map(tool, names), strict=True))


def tool(name: str) -> Path:
    """The executable of one tool. Raises KeyError for a name that is not in ALL."""
    return golang.build(ALL[name]) / name
