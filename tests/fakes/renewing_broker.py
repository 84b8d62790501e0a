"""The broker with its memory: the same token while that is good for long enough, and a new one in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.clock import Clock
from tests.fakes.token_broker import TokenBroker


@dataclass
class RenewingBroker(TokenBroker):
    """Renews at 150 s before a token's end or at half of its life, a fifth sooner or later (`spread`: -1 to 1)."""

    clock: Callable[[], float] = field(default_factory=Clock)
    spread: float = -1.0
    kept: dict[tuple[str, str], tuple[float, dict[str, Any]]] = field(default_factory=dict)

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """POST /token, with `min_valid`: at most half of a life."""
        least = int(form.get("min_valid", 0))
        if least > self.life / 2:
            self.asked.append(form)
            return 400, {"error": "invalid_request", "error_description": f"min_valid can be {self.life // 2} at most"}
        whose = (form.get("requested_subject", ""), form["audience"])
        ends, answer = self.kept.get(whose, (0.0, {}))
        left = ends - self.clock()
        if left >= max(least, min(self.life / 2, 150.0) * (1 + 0.2 * self.spread)) and not self.refusal:
            self.asked.append(form)
            return 200, answer | {"expires_in": int(left)}
        status, answer = super().token(form)
        if status == 200:
            self.kept[whose] = (self.clock() + self.life, answer)
        return status, answer
