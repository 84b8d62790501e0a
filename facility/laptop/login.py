"""Signing in on a person's own machine, and out again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from facility.laptop import device
from facility.laptop.errors import LaptopError
from facility.laptop.offers import Offer, offered
from facility.laptop.sessions import Record, Sessions, checked
from facility.laptop.web import Web
from facility.tokens import claims, metadata, requests
from facility.tokens.wire import UnavailableError


@dataclass(frozen=True)
class Clocks:
    """What tells and spends the time."""

    wall: Callable[[], float] = time.time
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class SignIn:
    """One sign-in: where, and how the person hears of it (`show` gets the page, the code, and the page with it)."""

    sessions: Sessions
    web: Web
    show: Callable[[device.Begun], None]
    clocks: Clocks = field(default_factory=Clocks)

    def run(self, hub: str, vo: str, place: str = "") -> Record:
        """The new session; `place` is where its refresh token goes, the best there is unless given.

        Raises:
            LaptopError: with what to do, as far as there is something.
        """
        try:
            offer = self._offer(hub, vo)
            grant = self._approved(offer)
        except UnavailableError as error:
            raise LaptopError(str(error)) from None
        if not grant.refresh_token:
            raise LaptopError(
                f"the issuer gave no refresh token: {vo}'s login.scopes lack offline_access, or it refuses"
            )
        with self.sessions.locked(vo):
            return self._kept(offer, hub, grant, place or next(iter(self.sessions.places)))

    def _offer(self, hub: str, vo: str) -> Offer:
        found = offered(self.web, hub)
        if vo not in found:
            known = ", ".join(found) or "no virtual organization"
            raise LaptopError(f"{hub} offers signing in from outside for {known}, not for {vo}")
        return found[vo]

    def _approved(self, offer: Offer) -> device.Approved:
        described = self.web.run(metadata.fetch(offer.issuer))
        begun = self.web.run(device.begin(described, offer.client, offer.scopes))
        self.show(begun)
        return device.wait(
            begun,
            lambda: self.web.run(device.poll(described, offer.client, begun)),
            self.clocks.now,
            self.clocks.sleep,
        )

    def _kept(self, offer: Offer, hub: str, grant: device.Approved, place: str) -> Record:
        try:
            found = claims.read(claims.unverified(grant.access_token)[1])
        except claims.ClaimsError as error:
            raise LaptopError(f"the issuer's token makes no sense: {error}") from None
        if not claims.same_issuer(found.issuer, offer.issuer):
            raise LaptopError(f"the token is one of {found.issuer}, not of {offer.issuer}")
        scopes = tuple(grant.scope.split()) or tuple(str(one) for one in found.scopes)
        before, old = _before(self.sessions, offer.vo)
        self.sessions.drop_access(offer.vo)
        record = Record(offer, hub, found.subject, scopes, place, self.clocks.wall())
        kept = self.sessions.keep(record, str(grant.refresh_token))
        if before and old and old != grant.refresh_token:
            revoked(self.web, before, old)
        return kept


def sign_out(sessions: Sessions, web: Web, vo: str) -> bool:
    """Forgets the session and revokes it; False when the issuer could not be told. Raises LaptopError without one."""
    if checked(vo) not in sessions.vos():
        raise LaptopError(f"this machine has no session with {vo}")
    with sessions.locked(vo):
        record, secret = _before(sessions, vo)
        told = bool(record and secret and revoked(web, record, secret))
        sessions.forget(vo)
        return told


def revoked(web: Web, record: Record, secret: str) -> bool:
    """Whether the issuer took back a refresh token (RFC 7009)."""
    try:
        described = web.run(metadata.fetch(record.offer.issuer))
        return web.run(requests.revoke(described, requests.Client(record.offer.client, ""), secret))
    except UnavailableError:
        return False


def _before(sessions: Sessions, vo: str) -> tuple[Record | None, str | None]:
    """Record and refresh token of a session, as far as they can still be read."""
    record = None
    try:
        record = sessions.record(vo)
        return record, sessions.secret(record) if record else None
    except LaptopError:
        return record, None
