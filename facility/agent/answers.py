"""Answers programs in the pod that ask for a token by audience, scope and least remaining life."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facility.agent.keeper import Keeper
from facility.agent.state import find
from facility.exchange import UNAVAILABLE, BrokerError, Token, TokenSource


class Answers:
    """Gives the kept file's token while it lives long enough, and asks the broker otherwise."""

    def __init__(
        self, broker: TokenSource, keeper: Keeper, directory: Path, now: Callable[[], float] = time.time
    ) -> None:
        self._broker, self._keeper, self._directory, self._now = broker, keeper, directory, now

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """To {"audience", "scope", "time"} (each may be left out) an RFC 6749 section 5 answer, or its error."""
        try:
            audience, scope, life = _asked(request)
            token = self._token(audience, scope, life)
        except BrokerError as error:
            return {"error": error.code, "error_description": error.description}
        return {
            "access_token": token.value,
            "token_type": "Bearer",
            "expires_in": int(token.expires - self._now()),
            "scope": token.scope,
        }

    def _token(self, audience: str, scope: str, life: float) -> Token:
        kept = self._from_file(audience, scope)
        if kept and kept.expires - self._now() >= life:
            return kept
        try:
            return self._broker.token(*self._names(audience, scope))
        except BrokerError:
            if kept and kept.expires > self._now():
                return kept  # shorter than wished, but good: the caller sees expires_in
            raise

    def _names(self, audience: str, scope: str) -> tuple[str, str]:
        one = find(self._keeper.kept, audience, scope)
        if one:
            return one.wanted.audience, one.wanted.scope
        if audience:
            return audience, scope
        first = find(self._keeper.kept, "", "")
        if first:
            return first.wanted.audience, scope
        problem = self._keeper.problem
        raise BrokerError(UNAVAILABLE, problem.description if problem else "this pod has no token files: name --aud")

    def _from_file(self, audience: str, scope: str) -> Token | None:
        one = find(self._keeper.kept, audience, scope)
        if not one or not one.expires:
            return None
        try:
            return Token((self._directory / one.wanted.name).read_text(), one.expires, one.granted)
        except OSError:
            return None


def _asked(request: dict[str, Any]) -> tuple[str, str, float]:
    audience, scope, life = request.get("audience") or "", request.get("scope") or "", request.get("time") or 1
    if not isinstance(audience, str) or not isinstance(scope, str) or not isinstance(life, int | float):
        raise BrokerError("invalid_request", "audience and scope are texts, time is a number of seconds")
    return audience, scope, float(life)
