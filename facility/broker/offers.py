"""What callers of a VO may have, worked out once: policy is looked at with every token, and seldom changes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from facility.broker.errors import BrokerError
from facility.broker.identity import AccessPoint, Cache, Caller, Notebook
from facility.tokens import policy
from facility.tokens import scopes as algebra
from facility.tokens.policy import Allowed
from facility.tokens.scopes import Scope
from facility.vo import VirtualOrganization

MOST = 256  # choices that are remembered of each offer: most people of a VO ask for the same


class Choice(NamedTuple):
    """The scopes of a token, sorted, and as text."""

    scopes: tuple[Scope, ...]
    text: str


class Offer:
    """What one kind of caller may have of a VO as it is. Pure."""

    def __init__(self, allowed: Allowed, vo: str) -> None:
        self.allowed = allowed
        self._vo = vo
        self._chosen = lru_cache(MOST)(self._choose)

    def to(self, granted: tuple[str, ...] | None) -> Allowed:
        """What is left of it for a person whom the issuer granted these scopes; None: for a VO's own service."""
        return self.allowed if granted is None else policy.granted(self.allowed, algebra.parse_granted(granted))

    def choose(self, granted: tuple[str, ...] | None, audience: str, scope: str) -> Choice:
        """What to ask the issuer for. Raises BrokerError: that is beyond policy."""
        return self._chosen(granted, audience, scope)

    def _choose(self, granted: tuple[str, ...] | None, audience: str, scope: str) -> Choice:
        try:
            found = tuple(sorted(policy.choose(self.to(granted), audience, scope, self._vo)))
        except policy.RefusedError as error:
            status = 403 if error.error == "access_denied" else 400
            raise BrokerError(status, error.error, str(error), allowed=error.allowed) from None
        return Choice(found, algebra.text(found))


class Offers:
    """Offers by VO and kind of caller."""

    def __init__(self, compute_audience: str) -> None:
        self._compute_audience = compute_audience
        self._known: dict[tuple[str, type[Caller]], tuple[VirtualOrganization, Offer]] = {}

    def of(self, vo: VirtualOrganization, caller: Caller) -> Offer:
        """What such a caller may have, by the VO as it is in this object."""
        known = self._known.get((vo.name, type(caller)))
        if known is None or known[0] is not vo:
            known = self._known[vo.name, type(caller)] = vo, Offer(self._policy(vo, caller), vo.name)
        return known[1]

    def _policy(self, vo: VirtualOrganization, caller: Caller) -> Allowed:
        match caller:
            case Notebook():
                return policy.notebook(vo.spec, self._compute_audience)
            case AccessPoint():
                return policy.job(vo.spec, self._compute_audience)
            case Cache():
                return policy.cache(vo.spec)
        return {}
