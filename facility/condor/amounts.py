"""What a job asks for and what an execute pod has, in one unit. Needs nothing else: bare Pythons read queues, too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, order=True)
class Shape:
    """What a job asks for, or what an execute pod has for its jobs.

    cpus: whole cores; memory, disk: MiB, of jobs alone; gpus: whole ones.
    """

    cpus: int
    memory: int
    disk: int
    gpus: int = 0

    @property
    def all(self) -> tuple[int, int, int, int]:
        """The amounts in their order. `dataclasses.astuple` would copy each, and this is asked a million times."""
        return self.cpus, self.memory, self.disk, self.gpus

    def fits(self, room: Shape) -> bool:
        """Whether something of this shape finds room in something of that."""
        return all(mine <= theirs for mine, theirs in zip(self.all, room.all, strict=True))

    def times(self, room: Shape) -> int:
        """How many of this shape fit into `room` at a time: 0 if none does. A shape of nothing fits once."""
        ratios = [theirs // mine for mine, theirs in zip(self.all, room.all, strict=True) if mine > 0]
        return min(ratios, default=1)

    def minus(self, other: Shape, often: int = 1) -> Shape:
        """What is left of it without so many of the other, never below nothing."""
        pairs = zip(self.all, other.all, strict=True)
        return Shape(*(max(mine - often * theirs, 0) for mine, theirs in pairs))


def largest(shapes: Iterable[Shape]) -> Shape:
    """The least shape in which each of them finds room by itself; of none: a shape of nothing."""
    columns = zip(*(shape.all for shape in shapes), strict=True)
    sizes = [max(column) for column in columns]
    return Shape(*sizes) if sizes else Shape(0, 0, 0)


def written(shape: Shape) -> str:
    """As one word, for annotations: `2-3904-10240-0`."""
    return "-".join(map(str, shape.all))


def read(text: str) -> Shape | None:
    """What `written` wrote; None for anything else."""
    parts = text.split("-")
    known = len(parts) == len(fields(Shape)) and all(part.isascii() and part.isdecimal() for part in parts)
    return Shape(*map(int, parts)) if known else None
