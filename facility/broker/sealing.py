"""Envelope encryption: each record under a key of its own, that key under the facility's key.

The facility's key is a file, `current`, in a directory; further files there are older and coming keys, which open what
was sealed with them. The directory is read at every use, so that a new key needs no restart. Each record names the key
that it was sealed with, so that nobody takes one whose key has not reached this replica yet for one that is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from facility import names

CURRENT = "current"
#: seconds for which a key that is not here is waited for: volumes of Secrets follow within two minutes
PATIENCE = 300.0


class SealError(Exception):
    """A record that no key at hand opens."""


class KeysError(Exception):
    """Nothing can be said about the record now: there is no usable key, or the record's own may still come."""


@dataclass(frozen=True)
class Sealed:
    """A record as it is kept: the name of the facility's key ("" in old records), the record's own key, the record."""

    name: str
    key: bytes = field(repr=False)
    record: bytes = field(repr=False)


class Seal:
    """Seals and opens records with the keys (Fernet, URL-safe base64) in `directory`. `now` gives seconds."""

    def __init__(self, directory: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._now = now
        self._missed: dict[str, float] = {}

    def current(self) -> str:
        """The name of the key that seals. Raises KeysError."""
        return next(iter(self._keys()))

    def seal(self, record: bytes) -> Sealed:
        """The sealed record, its key drawn anew. Raises KeysError."""
        name, facility = next(iter(self._keys().items()))
        key = Fernet.generate_key()
        return Sealed(name, facility.encrypt(key), Fernet(key).encrypt(record))

    def open(self, sealed: Sealed) -> bytes:
        """The record. Raises SealError, KeysError."""
        keys = self._keys()
        known = [keys[sealed.name]] if sealed.name in keys else list(keys.values())
        for facility in known:
            try:
                return Fernet(facility.decrypt(sealed.key)).decrypt(sealed.record)
            except (InvalidToken, ValueError):
                continue
        if sealed.name and sealed.name not in keys and self._may_come(sealed.name):
            raise KeysError(f"the key {sealed.name} is not here, or not yet")
        raise SealError("no key of this facility opens the record")

    def _may_come(self, name: str) -> bool:
        return self._now() < self._missed.setdefault(name, self._now()) + PATIENCE

    def _keys(self) -> dict[str, Fernet]:
        """The keys by their names, the one in use first."""
        current = self._directory / CURRENT
        try:
            others = sorted(p for p in self._directory.iterdir() if p.is_file() and p.name != CURRENT)
            texts = [path.read_bytes().strip() for path in (current, *others)]
            return {names.key_name(text): Fernet(text) for text in texts}
        except (OSError, ValueError):
            raise KeysError(f"{self._directory} has no usable key {CURRENT}") from None
