"""A clock that stands still until a test moves it."""

from __future__ import annotations


class Clock:
    """Called, it gives seconds since the epoch."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += seconds
