"""Asks the world outside about many things, each again and again at a time of its own, and tells what has changed."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

V = TypeVar("V")
_WIDTH = 32  # questions at a time
_TICK = 0.5  # seconds between two looks at what is due


class Lookout(Generic[V]):
    """Answers by key, for those who want them.

    Args:
        ask: answers for a key, having been given the answer before, if any; never raises.
        life: seconds for which an answer is good.
        told: is called with everybody who wants a key whose answer has changed.
        now: seconds; only differences matter.
    """

    def __init__(
        self,
        ask: Callable[[str, V | None], Awaitable[V]],
        life: Callable[[V], float],
        told: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._ask, self._life, self._told, self._now = ask, life, told, now
        self._wanted: dict[str, frozenset[str]] = {}
        self._who: defaultdict[str, set[str]] = defaultdict(set)
        self._due: dict[str, float] = {}
        self._busy: set[str] = set()
        self._answers: dict[str, V] = {}
        self._news = asyncio.Event()

    def want(self, who: str, keys: frozenset[str]) -> None:
        """All that this one wants from now on."""
        for key in self._wanted.pop(who, frozenset()) - keys:
            self._who[key].discard(who)
            if not self._who[key]:
                self._drop(key)
        if keys:
            self._wanted[who] = keys
        for key in keys:
            self._who[key].add(who)
            self._due.setdefault(key, float("-inf"))
        self._news.set()

    def answers(self, who: str) -> Mapping[str, V]:
        """What is known of that which this one wants."""
        return {key: self._answers[key] for key in self._wanted.get(who, ()) if key in self._answers}

    def complete(self, who: str) -> bool:
        """Whether there is an answer to everything that this one wants."""
        return all(key in self._answers for key in self._wanted.get(who, ()))

    async def once(self) -> None:
        """Ask what is due now."""
        while keys := self._ready(_WIDTH):
            await asyncio.gather(*(self._one(key) for key in keys))

    async def run(self) -> None:
        """For ever."""
        tasks: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            self._news.set()

        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                for key in self._ready(_WIDTH - len(tasks)):
                    task = group.create_task(self._one(key))
                    tasks.add(task)
                    task.add_done_callback(ended)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _TICK)

    def _ready(self, room: int) -> list[str]:
        """What has been due for longest, marked as being asked."""
        now = self._now()
        found = sorted((when, key) for key, when in self._due.items() if when <= now and key not in self._busy)
        chosen = [key for _, key in found[: max(room, 0)]]
        self._busy.update(chosen)
        return chosen

    async def _one(self, key: str) -> None:
        try:
            before = self._answers.get(key)
            answer = await self._ask(key, before)
        finally:
            self._busy.discard(key)
        if key not in self._due:
            return  # nobody wants it any more
        self._answers[key] = answer
        self._due[key] = self._now() + self._life(answer) * random.uniform(0.8, 1)  # noqa: S311 - spread
        if answer != before:
            for who in sorted(self._who[key]):
                self._told(who)

    def _drop(self, key: str) -> None:
        for known in (self._who, self._due, self._answers):
            known.pop(key, None)
