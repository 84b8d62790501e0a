"""How much people have used, with old use forgotten by and by: core-seconds that count half after the half-life."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import log

#: core-seconds below which somebody has used nothing
_NOTHING = 1.0


@dataclass(frozen=True)
class Usage:
    """Decayed core-seconds by owner, as they were at `moment` (seconds since the epoch)."""

    moment: float
    used: Mapping[str, float]

    def later(self, now: float, working: Mapping[str, float], half_life: float) -> Usage:
        """What it is at `now`, if all that time each owner has had so many cores. Time that runs back counts nothing.

        What is used while time passes decays as it is used: it is the integral, whatever the steps.
        """
        passed = max(now - self.moment, 0.0)
        left = 0.5 ** (passed / half_life)
        mean = (1 - left) * half_life / log(2)  # seconds that count in full
        owners = {*self.used, *working}
        grown = {owner: self.used.get(owner, 0.0) * left + working.get(owner, 0.0) * mean for owner in owners}
        return Usage(now, {owner: amount for owner, amount in grown.items() if amount >= _NOTHING})

    def text(self) -> str:
        """As JSON, in whole core-seconds."""
        used = {owner: round(amount) for owner, amount in sorted(self.used.items())}
        return json.dumps({"moment": round(self.moment), "used": used}, separators=(",", ":"))


def read(text: str, now: float) -> Usage:
    """What `text` wrote, never from the future; nothing at all if it is anything else."""
    try:
        found = json.loads(text)
        used = {str(owner): float(amount) for owner, amount in found["used"].items() if float(amount) >= _NOTHING}
        return Usage(min(float(found["moment"]), now), used)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Usage(now, {})
