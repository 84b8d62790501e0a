"""What each kind of consumer of a VO may ask for.

A person's notebook may have the VO's lakes and the batch system, a job only the lakes, the cache only its own token
for misses. Nobody gets more than the VO object names, and no person more than their issuer granted at sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from facility.tokens import scopes as algebra
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganizationSpec

#: audience to the scopes that may be asked for with it, in the VO's order
Allowed = Mapping[str, tuple[Scope, ...]]


class RefusedError(Exception):
    """Asked beyond policy. `error` is the OAuth code, the text lists what is allowed."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error


def lakes(vo: VirtualOrganizationSpec) -> Allowed:
    """What the VO's lakes are opened with; lakes of one audience share one token, with the scopes of all."""
    allowed: dict[str, tuple[Scope, ...]] = {}
    for lake in vo.lakes:
        allowed[lake.audience] = _joined(allowed.get(lake.audience, ()), algebra.parse_granted(lake.scopes))
    return MappingProxyType(allowed)


def notebook(vo: VirtualOrganizationSpec, compute_audience: str) -> Allowed:
    """Lakes, and the batch system where the VO has one."""
    allowed = dict(lakes(vo))
    if vo.batch.enabled:
        compute = algebra.parse_granted(vo.batch.scopes)
        allowed[compute_audience] = _joined(allowed.get(compute_audience, ()), compute)
    return MappingProxyType(allowed)


def cache(vo: VirtualOrganizationSpec) -> Allowed:
    """The cache's own token: whatever its misses read."""
    allowed: dict[str, tuple[Scope, ...]] = {}
    for lake in vo.lakes:
        allowed[lake.audience] = _joined(allowed.get(lake.audience, ()), algebra.parse_granted(lake.cache_scopes))
    return MappingProxyType(allowed)


def granted(allowed: Allowed, ceiling: tuple[Scope, ...]) -> Allowed:
    """What is left of a policy for a person whom the issuer granted `ceiling`; audiences stay, maybe without scopes."""
    return MappingProxyType({audience: algebra.common(wanted, ceiling) for audience, wanted in allowed.items()})


def choose(allowed: Allowed, audience: str, scope: str, vo: str) -> tuple[Scope, ...]:
    """The scopes to ask the issuer for: those named in `scope`, all that policy allows when it names none.

    Raises:
        RefusedError: invalid_target, access_denied (nothing granted for this audience) or invalid_scope.
    """
    if audience not in allowed:
        listed = " ".join(allowed) or "none"
        raise RefusedError("invalid_target", f"audience {audience[:255]!r} is not allowed; allowed: {listed}")
    ceiling = allowed[audience]
    if not ceiling:
        raise RefusedError(
            "access_denied", f"Your issuer granted you none of the scopes that {vo} has for {audience}; ask the VO."
        )
    if not scope.split():
        return ceiling
    return _within(ceiling, scope)


def _within(ceiling: tuple[Scope, ...], scope: str) -> tuple[Scope, ...]:
    allowed = algebra.text(ceiling)
    try:
        asked = algebra.parse_all(scope)
    except algebra.ScopeError as error:
        raise RefusedError("invalid_scope", f"{error}; allowed: {allowed}") from None
    if wider := algebra.beyond(asked, ceiling):
        raise RefusedError("invalid_scope", f"scope {algebra.text(wider)!r} is not allowed; allowed: {allowed}")
    return asked


def _joined(one: tuple[Scope, ...], other: tuple[Scope, ...]) -> tuple[Scope, ...]:
    return tuple(dict.fromkeys((*one, *other)))
