"""What must outlive a request: one SQLite table of records that expire.

A real IAM keeps sessions in its database, so a restart of the issuer must not end them here either: the file lies on
a volume. Whoever reads the file finds no live token in it, for records are kept under the SHA-256 of their handle.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from threading import RLock
from typing import Any

_TABLE = """create table if not exists record (
    kind text not null, handle text not null, parent text not null, expires real, body text not null,
    primary key (kind, handle))"""
_INDEX = "create index if not exists by_parent on record (kind, parent)"


class Store:
    """Records of a kind under a secret handle, optionally below a parent's handle. Safe from several threads."""

    def __init__(self, path: str, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.execute(_TABLE)
        self._database.execute(_INDEX)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and one at a time: a code or a rotated refresh token is good for one request only."""
        with self._lock:
            if self._database.in_transaction:  # inside another one of this thread: that one commits
                yield
                return
            with self._database:
                self._database.execute("begin immediate")
                yield

    def put(self, kind: str, handle: str, body: dict[str, Any], expires: float | None = None, parent: str = "") -> None:
        """Keep or replace a record until `expires` (seconds since the epoch; None: for good)."""
        row = (kind, _digest(handle), _digest(parent), expires, json.dumps(body))
        with self._lock:
            self._database.execute("delete from record where expires <= ?", (self._now(),))
            self._database.execute("insert or replace into record values (?, ?, ?, ?, ?)", row)

    def get(self, kind: str, handle: str) -> dict[str, Any] | None:
        """The record, unless it is unknown or has expired."""
        query = "select body from record where kind = ? and handle = ? and (expires is null or expires > ?)"
        with self._lock:
            row = self._database.execute(query, (kind, _digest(handle), self._now())).fetchone()
        return json.loads(row[0]) if row else None

    def drop(self, kind: str, handle: str) -> None:
        """Forget a record, if it is there."""
        with self._lock:
            self._database.execute("delete from record where kind = ? and handle = ?", (kind, _digest(handle)))

    def drop_below(self, kind: str, parent: str) -> None:
        """Forget all records of a kind below a parent."""
        with self._lock:
            self._database.execute("delete from record where kind = ? and parent = ?", (kind, _digest(parent)))

    def empty(self, kind: str) -> bool:
        """Whether there is no record of that kind."""
        with self._lock:
            return self._database.execute("select 1 from record where kind = ?", (kind,)).fetchone() is None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()


def _digest(handle: str) -> str:
    return sha256(handle.encode()).hexdigest() if handle else ""
