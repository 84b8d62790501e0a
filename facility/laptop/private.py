"""Files that only their person can read: replaced in one step, refused when others could read them."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from facility.laptop.errors import LaptopError


def home(environment: Mapping[str, str]) -> Path:
    """Where sessions are kept: $XDG_STATE_HOME/facility (XDG Base Directory Specification)."""
    state = environment.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".local" / "state"
    return base / "facility"


def read(path: Path) -> str | None:
    """The text, None without the file. Raises LaptopError when anybody else could have read or written it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LaptopError(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise LaptopError(f"{path} is not yours alone, so it is not used: remove it, or chmod 600 if you trust it")
        return file.read()


def write(path: Path, text: str) -> None:
    """Replaces the file, mode 0600, on the disk before this returns. Raises LaptopError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.new")  # others may write the same file at once
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise LaptopError(f"{path} cannot be written: {error.strerror}") from None


def remove(path: Path) -> None:
    """Removes the file if it is there. Raises LaptopError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise LaptopError(f"{path} cannot be removed: {error.strerror}") from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; others wait. Raises LaptopError when the lock's file cannot be made."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LaptopError(f"{path} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
