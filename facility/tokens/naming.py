"""Which token of a person is called how: the names of token files, in a pod and on a person's own machine."""

from __future__ import annotations

from dataclasses import dataclass

from facility.tokens import scopes as algebra
from facility.tokens.policy import Allowed
from facility.vo import VirtualOrganizationSpec


@dataclass(frozen=True)
class WantedFile:
    """A token that is kept as a file of that name."""

    name: str
    audience: str
    scope: str


def named(vo: VirtualOrganizationSpec, allowed: Allowed, compute_audience: str) -> tuple[WantedFile, ...]:
    """`lake` for the first lake audience, `lake2` and so on for others, `compute`, and services by their names."""
    called = {compute_audience: "compute", **{service.audience: service.name for service in vo.services}}
    lakes = [audience for audience in allowed if audience not in called]
    called |= {audience: "lake" if index == 1 else f"lake{index}" for index, audience in enumerate(lakes, 1)}
    return tuple(WantedFile(called[audience], audience, algebra.text(some)) for audience, some in allowed.items())
