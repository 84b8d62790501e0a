"""The hub's database: SQLite on the hub's volume, or PostgreSQL, whose password stays in files."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

BUNDLE = "/etc/facility/trust/ca.crt"
_SCHEMES = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgres")
_VERIFIED = ("verify-full", "verify-ca")


def postgres_url(url: str) -> str:
    """The URL for SQLAlchemy with psycopg, its TLS verified unless it says `sslmode=disable` (PostgreSQL, libpq).

    Raises ValueError for what would send or keep the password where it does not belong.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("hub.db.url: write postgresql://user@host:5432/database")
    if parts.password is not None:
        raise ValueError("hub.db.url holds a password: put it into a Secret and name that in hub.db.passwordSecret")
    query = dict(parse_qsl(parts.query))
    if {"password", "passfile"} & query.keys():
        raise ValueError("hub.db.url names a password: name a Secret in hub.db.passwordSecret")
    mode = query.setdefault("sslmode", "verify-full")
    if mode not in (*_VERIFIED, "disable"):
        raise ValueError(
            f"hub.db.url: sslmode={mode} does not look whom it talks to: use verify-full, or disable inside one network"
        )
    if mode in _VERIFIED:
        query.setdefault("sslrootcert", BUNDLE)
    return urlunsplit(("postgresql+psycopg", parts.netloc, parts.path, urlencode(query, safe="/"), ""))


def use_password(password: Path, passfile: Path) -> None:
    """Let libpq find the password: in a file that only this account reads, as migrations run in a child process.

    Raises OSError, or ValueError for a password that such a file cannot hold (PostgreSQL, "The Password File").
    """
    text = password.read_text().removesuffix("\n")
    if not text or any(character in text for character in "\n\r\0"):
        raise ValueError(f"{password} holds no password of one line")
    passfile.unlink(missing_ok=True)
    with os.fdopen(os.open(passfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write("*:*:*:*:" + text.replace("\\", "\\\\").replace(":", "\\:") + "\n")
    os.environ["PGPASSFILE"] = str(passfile)
