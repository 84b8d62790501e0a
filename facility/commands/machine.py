"""Tokens of a person's own machine: from its session with the VO's issuer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from facility.commands.asking import Ask, Given, NoTokenError
from facility.laptop import private
from facility.laptop.access import Access, Wish
from facility.laptop.errors import LaptopError
from facility.laptop.sessions import Sessions
from facility.laptop.web import Web


class Machine:
    """A session of this machine with a VO."""

    def __init__(self, access: Access, vo: str, now: Callable[[], float] = time.time) -> None:
        self._access, self.vo, self._now = access, vo, now

    def get(self, ask: Ask) -> Given:
        """Asks the issuer when no token at hand will do."""
        wish = Wish(ask.audience, ask.name, ask.scope, ask.life or Wish.least, ask.new)
        try:
            audience, token = self._access.token(self.vo, wish)
        except LaptopError as error:
            raise NoTokenError(str(error)) from None
        return Given(token.value, int(token.expires - self._now()), token.scope, audience)


def machine(environment: Mapping[str, str], vo: str) -> Machine:
    """The session with `vo`, or the only one. Raises NoTokenError."""
    sessions = Sessions(private.home(environment))
    there = sessions.vos()
    if vo and vo not in there:
        raise NoTokenError(f"this machine has no session with {vo}: facility login --vo {vo}")
    if not there:
        raise NoTokenError("no agent and no job is here, and nobody is signed in: facility login --vo VO --hub URL")
    if not vo and len(there) > 1:
        raise NoTokenError(f"this machine has sessions with {', '.join(there)}: choose one by --vo")
    return Machine(Access(sessions, Web()), vo or there[0])


def meant(environment: Mapping[str, str], account: str) -> str:
    """The VO whose name or issuer `account` is, "" if none. Raises NoTokenError when a session cannot be read."""
    sessions = Sessions(private.home(environment), {})
    try:
        records = [found for vo in sessions.vos() if (found := sessions.record(vo))]
    except LaptopError as error:
        raise NoTokenError(str(error)) from None
    return next((one.vo for one in records if account in (one.vo, *_spellings(one.offer.issuer))), "")


def _spellings(issuer: str) -> tuple[str, str]:
    return issuer.rstrip("/"), f"{issuer.rstrip('/')}/"
