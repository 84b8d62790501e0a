"""Where a refresh token is kept: in the system's keyring, or in a file that only its person can read.

Never in an argument, an environment variable, a log or the text of an error.
"""

from __future__ import annotations

import importlib
import ssl
from pathlib import Path
from typing import Any, Protocol

from facility.laptop import private
from facility.laptop.errors import LaptopError

_SERVICE = "analysis-facility"
KEYRING, FILE = "keyring", "file"


class Keeping(Protocol):
    """A place for secrets by name. All raise LaptopError when the place does not work."""

    def read(self, name: str) -> str | None:
        """The secret, None when there is none."""

    def write(self, name: str, secret: str) -> None:
        """Kept when this returns."""

    def remove(self, name: str) -> None:
        """Gone, if it was there."""


class InFile:
    """A file for each, mode 0600."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> str | None:
        return private.read(self._path(name))

    def write(self, name: str, secret: str) -> None:
        private.write(self._path(name), secret)

    def remove(self, name: str) -> None:
        private.remove(self._path(name))

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.refresh"


class InKeyring:
    """The system's keyring, through the library `keyring`."""

    def __init__(self, library: Any) -> None:
        self._keyring = library

    def read(self, name: str) -> str | None:
        found = self._asked("get_password", name)
        return found if isinstance(found, str) else None

    def write(self, name: str, secret: str) -> None:
        self._asked("set_password", name, secret)

    def remove(self, name: str) -> None:
        if self.read(name) is not None:
            self._asked("delete_password", name)

    def _asked(self, what: str, *arguments: str) -> Any:
        try:
            return getattr(self._keyring, what)(_SERVICE, *arguments)
        except Exception as error:  # backends raise what they like; the class says what it was, a text might say more
            raise LaptopError(f"the system's keyring does not answer ({type(error).__name__}): is it locked?") from None


def library() -> Any | None:
    """The library `keyring` when it is installed and has a backend that keeps secrets; None otherwise."""
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    priority = getattr(keyring.get_keyring(), "priority", 0)
    return keyring if isinstance(priority, int | float) and priority >= 1 else None


def authorities() -> str:
    """What this machine trusts anyway, PEM."""
    files = ssl.get_default_verify_paths()
    try:
        return Path(files.cafile or files.openssl_cafile).read_text()
    except OSError:
        return ""


def places(directory: Path) -> dict[str, Keeping]:
    """What there is on this machine, the best first."""
    found = library()
    file: dict[str, Keeping] = {FILE: InFile(directory)}
    return {KEYRING: InKeyring(found), **file} if found else file
