"""What is to be brought, in which order, and how far that is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from facility import quantity


class File(NamedTuple):
    """A path in the lake and its bytes."""

    path: str
    size: int


class State(Enum):
    """How far a file is, in the words of the WLCG Tape REST API."""

    SUBMITTED = "SUBMITTED"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def over(self) -> bool:
        """Nothing more will come of it."""
        return self not in (State.SUBMITTED, State.STARTED)


class Word(NamedTuple):
    """What the cache says of a file; `problem` is empty unless it failed."""

    state: State
    problem: str = ""


class Plan(NamedTuple):
    """`chosen` are brought; `beyond` are not, because the limit does not allow for them."""

    chosen: tuple[File, ...]
    beyond: tuple[File, ...]


def plan(found: Iterable[File], limit: int | None = None) -> Plan:
    """Each file once, in the order of the paths, as long as their bytes together stay within the limit."""
    files = sorted(set(found))
    if limit is None:
        return Plan(tuple(files), ())
    taken, sums = 0, 0
    for file in files:
        sums += file.size
        if sums > limit:
            break
        taken += 1
    return Plan(tuple(files[:taken]), tuple(files[taken:]))


def requests(files: Sequence[File], most: int) -> list[tuple[File, ...]]:
    """The files in portions of which each is one request."""
    return [tuple(files[at : at + most]) for at in range(0, len(files), most)]


@dataclass
class Progress:
    """How far everything is. `words`: the last that was said of each path."""

    files: tuple[File, ...]
    words: dict[str, Word] = field(default_factory=dict)

    def state(self, file: File) -> State:
        """Of a file of which nothing was said yet: it waits."""
        return self.words[file.path].state if file.path in self.words else State.SUBMITTED

    @property
    def there(self) -> tuple[File, ...]:
        """What is in the cache now."""
        return tuple(file for file in self.files if self.state(file) is State.COMPLETED)

    @property
    def failed(self) -> dict[str, str]:
        """Why, by path."""
        return {path: word.problem for path, word in self.words.items() if word.state is State.FAILED}

    def __str__(self) -> str:
        known = Counter(self.state(file) for file in self.files)
        came = f"{known[State.COMPLETED]} of {len(self.files)} files, {size(self.there)} of {size(self.files)}"
        return f"{came}; {known[State.FAILED]} failed" if known[State.FAILED] else came


def size(files: Iterable[File]) -> str:
    """All their bytes, for people."""
    return quantity.size(Decimal(sum(file.size for file in files)))
