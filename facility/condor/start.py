"""The first program of HTCondor's containers: `python3 -m facility.condor.start cm|ap|ep`.

HTCondor wants directories with owners and modes of its own liking, and its secrets in files that nobody else can
read; Kubernetes mounts neither like that. This makes both, in memory where it is a secret, and becomes condor_master.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facility.condor import layout

_POOL_ID = 4242
_MASTER = "/usr/sbin/condor_master"


@dataclass(frozen=True)
class Directory:
    """A directory that HTCondor needs; `own` means that its daemons' account owns it, not root."""

    path: Path
    mode: int
    own: bool = True


#: first, because what lies in it is only as safe as it is; the central manager has no root and one account only
_ROOTS = Directory(layout.MEMORY, 0o755, own=False)
_LOCAL = (Directory(layout.LOCAL / "log", 0o755),)
_MEMORY = (
    Directory(layout.RUN, 0o755),
    Directory(layout.RUN / "lock", 0o755),
    Directory(layout.RUN / "sock", 0o755),
    Directory(layout.KEYS, 0o700, own=False),
    Directory(layout.IDENTITY_TOKENS, 0o700, own=False),
)
_DIRECTORIES = {
    "cm": (*_LOCAL, *_MEMORY, Directory(layout.LOCAL / "spool", 0o755)),
    "ap": (
        _ROOTS,
        *_LOCAL,
        *_MEMORY,
        Directory(layout.LOCAL / "spool", 0o755),
        Directory(layout.CREDENTIALS, 0o700, own=False),
    ),
    "ep": (_ROOTS, *_LOCAL, *_MEMORY, Directory(layout.LOCAL / "execute", 0o755)),
}
#: mounted secret and the file in which HTCondor looks for it
_POOL_KEY = (layout.MOUNTED_KEY, layout.KEYS / "POOL")
_TOKEN = (layout.MOUNTED_TOKEN, layout.IDENTITY_TOKENS / "execute")
_SECRETS = {"cm": _POOL_KEY, "ap": _POOL_KEY, "ep": _TOKEN}


def prepare(role: str, root: Path = Path("/")) -> None:
    """Make the directories and the secret file of a role below `root`. Harmless when they are there. Raises OSError."""
    for directory in _DIRECTORIES[role]:
        _make(directory, root)
    source, target = _SECRETS[role]
    _copy(_below(root, source), _below(root, target))


def _make(directory: Directory, root: Path) -> None:
    path = _below(root, directory.path)
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        owner = _POOL_ID if directory.own else 0
        os.chown(path, owner, owner)
    path.chmod(directory.mode)


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(source.read_bytes())
    partial.rename(target)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> None:
    """Prepare and become condor_master, in the foreground and with its log on stderr."""
    if len(arguments) != 1 or arguments[0] not in _DIRECTORIES:
        sys.exit(f"usage: python3 -m facility.condor.start {'|'.join(_DIRECTORIES)}")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of daemons and jobs: memory with tokens is never a file
    prepare(arguments[0])
    os.environ["CONDOR_CONFIG"] = str(layout.CONFIG)
    os.execv(_MASTER, ("condor_master", "-f", "-t"))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
