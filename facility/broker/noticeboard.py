"""What an agent is to keep, and whether it may: answered at once, or held back until it is news.

An agent that says what it has `seen` is answered when that is no longer so, or when its time is over. So it learns of a
closed VO or an ended session within a second, and asks no more often than once in a minute.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from facility import names
from facility.broker.changes import Changes
from facility.broker.exchange import Exchange
from facility.broker.holdings import Holding
from facility.broker.identity import Caller, Hub, Notebook

LONGEST = 60.0  # seconds
#: seconds until those come back who are sent away because the process ends, one after the other
ENDING = (5.0, 30.0)
#: seconds until those come back who found no room to wait
FULL = (30.0, 60.0)


def _random(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads load, guards nothing


class Noticeboard:
    """Answers `GET /wanted`."""

    def __init__(self, exchange: Exchange, changes: Changes, apart: Callable[[float, float], float] = _random) -> None:
        self._exchange = exchange
        self._changes = changes
        self._apart = apart

    async def answer(self, caller: Caller, seen: str, wait: float) -> dict[str, Any]:
        """The answer's document; held back for `wait` seconds while it is the one that was `seen`."""
        if self._changes.full or not wait:
            return await self._now(caller)
        with self._changes.listening(*_names(caller)) as news:
            try:
                async with asyncio.timeout(min(wait, LONGEST)):
                    while (found := await self._now(caller))["state"] == seen and not self._changes.closed:
                        await news.wait()
                        news.clear()
            except TimeoutError:
                found = await self._now(caller)
        return found

    async def _now(self, caller: Caller) -> dict[str, Any]:
        found = document(await self._exchange.wanted(caller))
        if not self._changes.full:
            return found
        return found | {"again": round(self._apart(*(ENDING if self._changes.closed else FULL)), 1)}


def document(holding: Holding) -> dict[str, Any]:
    """As it goes out; `state` is the same exactly for the same content."""
    found: dict[str, Any] = {"files": [asdict(one) for one in holding.files]}
    if holding.refusal is not None:
        found["refused"] = {"error": holding.refusal.error, "error_description": holding.refusal.description}
    return found | {"state": sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]}


def _names(caller: Caller) -> tuple[str, ...]:
    if isinstance(caller, Notebook):
        return caller.user, names.split_hub_user(caller.user)[0]
    return () if isinstance(caller, Hub) else (caller.vo,)
