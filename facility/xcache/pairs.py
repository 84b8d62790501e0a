"""Certificates with their keys: read from mounted Secrets, and written where xrootd may read at any moment."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from facility.xcache.places import below


def mounted(root: Path, place: str) -> tuple[bytes, bytes]:
    """`tls.crt` and `tls.key` of the Secret mounted at `place` below `root`, out of one state of it. Raises OSError."""
    state = (below(root, place) / "tls.crt").resolve(strict=True).parent
    return (state / "tls.crt").read_bytes(), (state / "tls.key").read_bytes()


def write(path: Path, content: bytes) -> None:
    """By renaming, so whole; for its owner alone from the first byte on. Raises OSError."""
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(partial).chmod(0o400)
        Path(partial).rename(path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
