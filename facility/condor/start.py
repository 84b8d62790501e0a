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
#: account that accounts for what jobs have used: it may do nothing else, as it serves others
_FACILITY_ID = 65532
_MASTER = "/usr/sbin/condor_master"


@dataclass(frozen=True)
class Directory:
    """A directory that HTCondor needs; `own` means that its daemons' account owns it (or `account`), not root."""

    path: Path
    mode: int
    own: bool = True
    account: int = _POOL_ID


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
        Directory(layout.HISTORY, 0o755),
        Directory(layout.ACCOUNTING, 0o755, account=_FACILITY_ID),
        Directory(layout.CREDENTIALS, 0o700, own=False),
        Directory(layout.CREDMON_REMEMBERED.parent, 0o700, own=False),
    ),
    # jobs of several accounts live below: they add nothing to it, and move nothing in it
    "ep": (
        _ROOTS,
        Directory(layout.LOCAL, 0o755, own=False),
        *_LOCAL,
        *_MEMORY,
        Directory(layout.LOCAL / "execute", 0o755),
    ),
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
        owner = directory.account if directory.own else 0
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


def leave_behind(command: tuple[str, ...]) -> None:
    """Start a program that is no child of this process: HTCondor's master minds every child that ends."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    if os.fork() == 0:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    os._exit(0)


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> None:
    """Prepare and become condor_master, in the foreground and with its log on stderr."""
    if len(arguments) != 1 or arguments[0] not in _DIRECTORIES:
        sys.exit(f"usage: python3 -m facility.condor.start {'|'.join(_DIRECTORIES)}")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of daemons and jobs: memory with tokens is never a file
    prepare(arguments[0])
    os.environ["CONDOR_CONFIG"] = str(layout.CONFIG)
    if arguments[0] == "ep":
        leave_behind((sys.executable, "-I", "-m", "facility.condor.warden", str(os.getpid())))
    os.execv(_MASTER, ("condor_master", "-f", "-t"))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
