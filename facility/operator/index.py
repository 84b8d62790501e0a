"""Things by a key that may change: which people are of a VO, which VOs name a Secret."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Index(Generic[T]):
    """Sets by key; the key "" is as good as any, and None is none."""

    def __init__(self) -> None:
        self._sets: defaultdict[str, set[T]] = defaultdict(set)

    def move(self, what: T, before: str | None, after: str | None) -> None:
        """It had one key, and has another from now on."""
        if before is not None:
            self._sets[before].discard(what)
            if not self._sets[before]:
                del self._sets[before]
        if after is not None:
            self._sets[after].add(what)

    def of(self, key: str) -> frozenset[T]:
        """All that have this key."""
        return frozenset(self._sets.get(key, ()))

    def __iter__(self) -> Iterator[str]:
        """The keys that anything has."""
        return iter(self._sets)
