"""Envelope encryption: each record under a key of its own, that key under the facility's key.

The facility's key is a file, `current`, in a directory; further files there are older keys, which still open what was
sealed with them. The directory is read at every use, so that a new key needs no restart.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

CURRENT = "current"


class SealError(Exception):
    """A record that no key at hand opens."""


class KeysError(Exception):
    """The directory has no usable key: nothing can be said about any record."""


class Seal:
    """Seals and opens records with the keys (Fernet, URL-safe base64) in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def seal(self, record: bytes) -> tuple[bytes, bytes]:
        """(wrapped key, sealed record). Raises KeysError."""
        key = Fernet.generate_key()
        return self._keys().encrypt(key), Fernet(key).encrypt(record)

    def open(self, wrapped: bytes, sealed: bytes) -> bytes:
        """The record. Raises SealError, KeysError."""
        keys = self._keys()
        try:
            return Fernet(keys.decrypt(wrapped)).decrypt(sealed)
        except (InvalidToken, ValueError):
            raise SealError("no key of this facility opens the record") from None

    def _keys(self) -> MultiFernet:
        current = self._directory / CURRENT
        try:
            older = sorted(p for p in self._directory.iterdir() if p.is_file() and p.name != CURRENT)
            keys = [Fernet(path.read_bytes().strip()) for path in (current, *older)]
        except (OSError, ValueError):
            raise KeysError(f"{self._directory} has no usable key {CURRENT}") from None
        return MultiFernet(keys)
