"""Answers programs in the pod that ask for a token by audience, scope and least remaining life, or how things are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facility.agent.clock import steady
from facility.agent.keeper import Keeper
from facility.agent.state import Kept, find
from facility.codes import UNAVAILABLE
from facility.exchange import EARLIEST, BrokerError, Token, TokenSource


@dataclass(frozen=True)
class Asked:
    """What a program asks for. "" is whatever a file was made with; `life`: seconds, at least; `new`: not the old."""

    audience: str = ""
    scope: str = ""
    life: float = 1.0
    new: bool = False


class Answers:
    """Gives the kept token while it lives long enough, and asks the broker otherwise."""

    def __init__(self, broker: TokenSource, keeper: Keeper, now: Callable[[], float] = steady) -> None:
        self._broker, self._keeper, self._now = broker, keeper, now

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """To {"audience", "scope", "time", "new"} (each may be left out) an RFC 6749 section 5 answer, or its error.

        To {"status": true} what `status.json` should say, also while it cannot be written; to {"batch": true} what the
        broker knows of the person's jobs.
        """
        if request.get("status"):
            return {"status": self._keeper.document()}
        try:
            if request.get("batch"):
                return {"batch": self._broker.batch()}
            asked = read(request)
            audience, token = self._token(asked)
        except BrokerError as error:
            return {"error": error.code, "error_description": error.description}
        return {
            "access_token": token.value,
            "token_type": "Bearer",
            "expires_in": int(token.expires - self._now()),
            "scope": token.scope,
            "audience": audience,
        }

    def _token(self, asked: Asked) -> tuple[str, Token]:
        one = find(self._keeper.kept, asked.audience, asked.scope)
        kept = one.token if one else None
        left = kept.expires - self._now() if kept else 0.0
        if one and kept and left >= asked.life and not asked.new:
            return one.wanted.audience, kept
        audience, scope = self._names(asked, one)
        try:
            return audience, self._longest(audience, scope, _least(asked, one))
        except BrokerError:
            if kept and left > 0:
                return audience, kept  # shorter than wished, but good: the caller sees expires_in
            raise

    def _longest(self, audience: str, scope: str, least: int) -> Token:
        """The broker renews no token that has most of its life left: who asks for more gets what there is."""
        try:
            return self._broker.token(audience, scope, min_valid=least)
        except BrokerError as error:
            if not least or error.code != "invalid_request":
                raise
            return self._broker.token(audience, scope)

    def _names(self, asked: Asked, one: Kept | None) -> tuple[str, str]:
        if one:
            return one.wanted.audience, one.wanted.scope
        if asked.audience:
            return asked.audience, asked.scope
        first = find(self._keeper.kept, "", "")
        if first:
            return first.wanted.audience, asked.scope
        problem = self._keeper.problem
        raise BrokerError(UNAVAILABLE, problem.description if problem else "this pod has no token files: name --aud")


def read(request: dict[str, Any]) -> Asked:
    """A question in its parts. Raises BrokerError for one that makes no sense."""
    audience, scope, life = request.get("audience") or "", request.get("scope") or "", request.get("time") or 1
    if not isinstance(audience, str) or not isinstance(scope, str) or not isinstance(life, int | float):
        raise BrokerError("invalid_request", "audience and scope are texts, time is a number of seconds")
    return Asked(audience, scope, float(life), bool(request.get("new")))


def _least(asked: Asked, one: Kept | None) -> int:
    """Seconds to ask the broker for; for a new one of a kept kind as many as it gives at all."""
    if asked.new and one:
        return int(one.life * EARLIEST)
    return math.ceil(asked.life) if asked.life > 1 else 0
