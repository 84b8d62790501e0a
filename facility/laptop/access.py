"""Access tokens on a person's own machine: kept while they are good, else got with the refresh token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facility.exchange import Token
from facility.laptop.errors import LaptopError, SignInError
from facility.laptop.sessions import Record, Sessions
from facility.laptop.web import Web
from facility.tokens import claims, metadata, requests
from facility.tokens import scopes as algebra
from facility.tokens.scopes import Scope
from facility.tokens.wire import UnavailableError

#: seconds that a token must live for anything to be done with it
LEAST = 60.0


@dataclass(frozen=True)
class Wish:
    """`audience` or `name` of one of the VO's tokens (the first if neither), `scope` "" for all; `least` in seconds."""

    audience: str = ""
    name: str = ""
    scope: str = ""
    least: float = LEAST
    new: bool = False


class Access:
    """The tokens of the sessions of this machine."""

    def __init__(self, sessions: Sessions, web: Web, now: Callable[[], float] = time.time) -> None:
        self._sessions, self._web, self._now = sessions, web, now

    def token(self, vo: str, wish: Wish) -> tuple[str, Token]:
        """Audience and token. Raises LaptopError (SignInError when only a new sign-in helps)."""
        with self._sessions.locked(vo):
            record = self._sessions.record(vo)
            if record is None:
                raise SignInError(vo, f"this machine has no session with {vo}")
            audience, scopes = aimed(record, wish)
            kept = self._kept(vo, audience, scopes)
            if kept and kept.expires - self._now() >= wish.least and not wish.new:
                return audience, kept
            try:
                return audience, self._fetched(record, audience, scopes)
            except (UnavailableError, LaptopError) as error:
                if kept and kept.expires > self._now() and not isinstance(error, SignInError):
                    return audience, kept  # shorter than wished, but good
                raise LaptopError(str(error)) if isinstance(error, UnavailableError) else error from None

    def _kept(self, vo: str, audience: str, scopes: tuple[Scope, ...]) -> Token | None:
        entry = self._sessions.access(vo).get(_key(audience, scopes))
        try:
            return Token(entry["token"], float(entry["expires"]), entry["scope"]) if entry else None
        except (KeyError, TypeError, ValueError):
            return None

    def _fetched(self, record: Record, audience: str, scopes: tuple[Scope, ...]) -> Token:
        grant = self._refreshed(record, audience, scopes)
        try:
            found = claims.read(claims.unverified(grant.access_token)[1])
            claims.check(found, claims.Expected(record.offer.issuer, audience, scopes, record.subject), self._now())
        except claims.NothingGrantedError:
            raise LaptopError(f"the issuer gives you none of the scopes {algebra.text(scopes)}: ask the VO") from None
        except claims.ClaimsError as error:
            raise LaptopError(f"the issuer's token is not what was asked for: {error}") from None
        token = Token(grant.access_token, found.expires, algebra.text(found.scopes))
        self._remember(record.vo, _key(audience, scopes), token)
        return token

    def _refreshed(self, record: Record, audience: str, scopes: tuple[Scope, ...]) -> requests.Grant:
        """A refresh token that the issuer has exchanged is kept before anything is done with the access token."""
        secret = self._sessions.secret(record)
        if secret is None:
            raise SignInError(record.vo, f"the session with {record.vo} has lost its refresh token")
        client = requests.Client(record.offer.client, "")
        described = self._web.run(metadata.fetch(record.offer.issuer))
        try:
            grant = self._web.run(requests.refresh(described, client, secret, audience, scopes))
        except requests.SessionDeadError:
            raise SignInError(record.vo, f"your session with {record.vo} is over") from None
        except requests.ClientRefusedError as error:
            raise LaptopError(f"the issuer refuses this machine's client ({error}): tell the VO's admins") from None
        except requests.RequestRefusedError as error:
            raise LaptopError(f"{error}, for {audience} with {algebra.text(scopes)}") from None
        if grant.refresh_token and grant.refresh_token != secret:
            self._sessions.keep(record, grant.refresh_token)
        if not grant.access_token:
            raise UnavailableError("the token endpoint's answer holds no access token")
        return grant

    def _remember(self, vo: str, key: str, token: Token) -> None:
        good = {name: one for name, one in self._sessions.access(vo).items() if _end(one) > self._now()}
        entry: dict[str, Any] = {"token": token.value, "expires": token.expires, "scope": token.scope}
        self._sessions.keep_access(vo, {**good, key: entry})


def aimed(record: Record, wish: Wish) -> tuple[str, tuple[Scope, ...]]:
    """Audience and scopes to ask for, never more than was granted at the sign-in. Raises LaptopError."""
    offered = record.offer.tokens
    named = [one for one in offered if wish.name in ("", one.name) and wish.audience in ("", one.audience)]
    if not named and (wish.name or not wish.audience or not wish.scope):
        known = ", ".join(f"{one.name} ({one.audience})" for one in offered) or "none"
        raise LaptopError(
            f"{record.vo} has no such token; there are: {known}. For another audience name the scopes, too"
        )
    audience = wish.audience or named[0].audience
    granted = algebra.parse_granted(record.scopes)
    try:
        asked = algebra.parse_all(wish.scope) or algebra.common(algebra.parse_granted(named[0].scope), granted)
    except algebra.ScopeError as error:
        raise LaptopError(str(error)) from None
    if wider := algebra.beyond(asked, granted):
        raise LaptopError(f"not granted at your sign-in: {algebra.text(wider)}; granted is: {algebra.text(granted)}")
    if not asked:
        raise LaptopError(f"your sign-in granted none of {named[0].scope}: ask the VO, then facility login again")
    return audience, asked


def _key(audience: str, scopes: tuple[Scope, ...]) -> str:
    return f"{audience} {algebra.text(sorted(scopes))}"


def _end(entry: Any) -> float:
    end = entry.get("expires") if isinstance(entry, dict) else None
    return float(end) if isinstance(end, int | float) else 0.0
