"""Steps that a person can watch: each with its name, its elapsed time, and the whole as a record for the bench."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Progress:
    """Prints steps as they begin and end, and keeps their seconds."""

    record: Path | None = None
    now: Callable[[], float] = time.monotonic
    write: Callable[[str], object] = sys.stdout.write
    seconds: dict[str, float] = field(default_factory=dict)
    _began: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._began = self.now()

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time one step; the value given is a function that prints a line of its progress."""
        started = self.now()
        self._line(f"▸ {name}")
        try:
            yield lambda text: self._line(f"    {text}")
        except BaseException:
            self._line(f"✗ {name} failed after {self.now() - started:.1f} s")
            raise
        self.seconds[name] = round(self.now() - started, 1)
        self._save()
        self._line(f"✓ {name} ({self.seconds[name]:.1f} s)")

    @property
    def total(self) -> float:
        """Seconds since the first step could have begun."""
        return self.now() - self._began

    def _line(self, text: str) -> None:
        self.write(f"[{self.total:7.1f} s] {text}\n")
        sys.stdout.flush()

    def _save(self) -> None:
        if self.record:
            self.record.parent.mkdir(parents=True, exist_ok=True)
            self.record.write_text(json.dumps(self.seconds, indent=1) + "\n")


@dataclass(frozen=True)
class Verified:
    """One line of the checklist at the end: what was seen to be true."""

    what: str
    measured: str = ""


def checklist(items: list[Verified]) -> str:
    """The list as a person reads it."""
    return "\n".join(f"  ✓ {item.what}{f' ({item.measured})' if item.measured else ''}" for item in items)
