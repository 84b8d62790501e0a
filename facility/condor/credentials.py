"""The files with jobs' tokens: `<directory>/<owner>/<service>.use`, from which the shadow feeds running jobs.

HTCondor reads them as root and looks at nothing but their content; whoever reads while one is renewed must see the old
token or the new one and never half of one. A file's modification time is the time at which its token expires: so a
monitor that starts anew knows it without looking into the token, and both change in one step.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_SUFFIX = ".use"


class File(NamedTuple):
    """One token file: whose it is, and the name by which jobs ask for it (`OAuthServicesNeeded`)."""

    owner: str
    service: str


class Credentials:
    """The credential directory of one access point; it and all in it are root's alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def found(self) -> dict[File, float]:
        """The files that are there, and when their tokens expire, in seconds since the epoch. Raises OSError."""
        paths = sorted(self._directory.glob(f"*/*{_SUFFIX}"))
        return {File(path.parent.name, path.name.removesuffix(_SUFFIX)): path.stat().st_mtime for path in paths}

    def write(self, file: File, token: str, expires: float) -> None:
        """Put the token where the owner's jobs get it, in one step. Raises OSError."""
        home = self._directory / file.owner
        self._directory.mkdir(mode=0o700, exist_ok=True)  # where HTCondor's container has not come that far yet
        home.mkdir(mode=0o700, exist_ok=True)
        partial = home / f".{file.service}.new"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(token)
        os.utime(partial, (expires, expires))
        partial.rename(home / f"{file.service}{_SUFFIX}")

    def remove(self, file: File) -> None:
        """Take the token away, and the owner's directory with the last of them. Raises OSError."""
        home = self._directory / file.owner
        (home / f"{file.service}{_SUFFIX}").unlink(missing_ok=True)
        for rest in home.glob(f".{file.service}.new"):  # of a monitor that was ended while it wrote
            rest.unlink()
        if home.is_dir() and not any(home.iterdir()):
            home.rmdir()
