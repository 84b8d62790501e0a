"""The files with jobs' tokens: `<directory>/<owner>/<vo>.use`, from which the shadow feeds running jobs.

HTCondor reads them as root and looks at nothing but their content; whoever reads while one is renewed must see the old
token or the new one and never half of one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


class Credentials:
    """The credential directory of one access point; it and all in it are root's alone."""

    def __init__(self, directory: Path, service: str) -> None:
        """`service`: the name that jobs ask for (`OAuthServicesNeeded`), which is the VO's."""
        self._directory, self._service = directory, service

    def owners(self) -> tuple[str, ...]:
        """Owners who have a directory, with a token in it or not."""
        if not self._directory.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in self._directory.iterdir() if entry.is_dir()))

    def write(self, owner: str, token: str) -> None:
        """Put the token where the owner's jobs get it, in one step. Raises OSError."""
        home = self._directory / owner
        home.mkdir(mode=0o700, exist_ok=True)
        partial = home / f".{self._service}.new"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token)
        partial.rename(home / f"{self._service}.use")

    def remove(self, owner: str) -> None:
        """Take away all that the owner has here. Raises OSError."""
        shutil.rmtree(self._directory / owner)
