"""What each kind of consumer of a VO may ask for.

A person's notebook reads the VO's lakes, submits to the batch system, and uses the VO's services for notebooks; a job
reads the lakes and uses the services for jobs, and never submits; the cache has only its own token for misses. Nobody
gets more than the VO object names, and no person more than their issuer granted at sign-in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from facility.access import Consumer
from facility.tokens import scopes as algebra
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganizationSpec

#: audience to the scopes that may be asked for with it, in the VO's order
Allowed = Mapping[str, tuple[Scope, ...]]
#: what reading takes (WLCG profile): from disk, from tape, and asking how far tape is
READING = frozenset({"storage.read", "storage.stage", "storage.poll"})


class RefusedError(Exception):
    """Asked beyond policy. `error` is the OAuth code, `allowed` is audience to scopes, both as texts."""

    def __init__(self, error: str, text: str, allowed: Allowed) -> None:
        super().__init__(text)
        self.error = error
        self.allowed = {audience: algebra.text(some) for audience, some in allowed.items()}


def notebook(vo: VirtualOrganizationSpec, compute_audience: str) -> Allowed:
    """Lakes, the batch system where the VO has one, and services for notebooks."""
    batch = {compute_audience: algebra.parse_granted(vo.batch.scopes)} if vo.batch.enabled else {}
    return MappingProxyType({**_lakes(vo, compute_audience), **batch, **_services(vo, "notebook", compute_audience)})


def job(vo: VirtualOrganizationSpec, compute_audience: str) -> Allowed:
    """Lakes, and services for jobs."""
    return MappingProxyType({**_lakes(vo, compute_audience), **_services(vo, "job", compute_audience)})


def cache(vo: VirtualOrganizationSpec) -> Allowed:
    """The cache's own token: whatever its misses read. XRootD takes one for all origins, so it is for them together,
    with spaces between their audiences."""
    together = " ".join(dict.fromkeys(lake.audience for lake in vo.lakes))
    return _joined((together, lake.cache_scopes) for lake in vo.lakes)


def _lakes(vo: VirtualOrganizationSpec, compute_audience: str) -> Allowed:
    """What reads the VO's lakes; those of one audience share one token, with the scopes of all."""
    found = _joined((lake.audience, lake.scopes) for lake in vo.lakes)
    reading = {name: tuple(one for one in some if one.capability in READING) for name, some in found.items()}
    return {name: some for name, some in reading.items() if name != compute_audience}


def _services(vo: VirtualOrganizationSpec, consumer: Consumer, compute_audience: str) -> Allowed:
    """Services of a consumer. None is the batch system, whatever the VO says: batch alone says what that takes."""
    mine = [one for one in vo.services if consumer in one.consumers and one.audience != compute_audience]
    return _joined((one.audience, one.scopes) for one in mine)


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
        raise RefusedError("invalid_target", f"audience {audience[:255]!r} is not allowed; allowed: {listed}", allowed)
    ceiling = allowed[audience]
    if not ceiling:
        why = f"Your issuer granted you none of the scopes that {vo} has for {audience}; ask the VO."
        raise RefusedError("access_denied", why, {name: some for name, some in allowed.items() if some})
    if not scope.split():
        return ceiling
    return _within(audience, ceiling, scope)


def _within(audience: str, ceiling: tuple[Scope, ...], scope: str) -> tuple[Scope, ...]:
    try:
        asked = algebra.parse_all(scope)
        wider = algebra.beyond(asked, ceiling)
        problem = f"scope {algebra.text(wider)[:255]!r} is not allowed" if wider else ""
    except algebra.ScopeError as error:
        asked, problem = (), str(error)[:512]
    if problem:
        text = f"{problem}; allowed: {algebra.text(ceiling)}"
        raise RefusedError("invalid_scope", text, {audience: ceiling})
    return asked


def _joined(parts: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[Scope, ...]]:
    """Scopes by audience, in the order in which they are named."""
    found: dict[str, tuple[Scope, ...]] = {}
    for audience, scopes in parts:
        found[audience] = tuple(dict.fromkeys((*found.get(audience, ()), *algebra.parse_granted(scopes))))
    return found
