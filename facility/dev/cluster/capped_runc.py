"""An OCI runtime: runc, without the capabilities that this machine cannot give.

`docker run --privileged` asks for every capability there is. In a sandbox whose bounding set lacks some, runc then
fails ("unable to apply caps: operation not permitted"). The engine runs this program in runc's place there: it takes
the missing ones out of the bundle (create, run) or of the process (exec) and becomes runc.

This file is copied out of the package and run alone, so it uses the standard library only.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

#: by number, as linux/capability.h has them
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)


def missing(status: str) -> set[str]:
    """Names (CAP_...) that the bounding set in the text of a /proc/<pid>/status lacks."""
    bounding = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:"))
    return {f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if not bounding >> number & 1}


def without(document: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """An OCI bundle's config or an OCI process, with `names` in none of its capability sets."""
    if "process" in document:
        return {**document, "process": without(document["process"], names)}
    sets = document.get("capabilities") or {}
    kept = {kind: [name for name in held if name not in names] for kind, held in sets.items()}
    return {**document, "capabilities": kept} if kept else document


def documents(arguments: list[str]) -> list[Path]:
    """The files in which runc, called with these arguments, would read capabilities."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("-") else [word])]
    found = []
    for option, value in itertools.pairwise(words):
        if option in ("--bundle", "-b"):
            found.append(Path(value) / "config.json")
        elif option in ("--process", "-p"):
            found.append(Path(value))
    return [path for path in found if path.is_file()]


def main() -> None:
    """Correct the documents in place and become runc."""
    absent = missing(Path("/proc/self/status").read_text())
    for path in documents(sys.argv[1:]):
        path.write_text(json.dumps(without(json.loads(path.read_text()), absent)))
    runc = shutil.which("runc", path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/usr/bin")
    if not runc:
        sys.exit("runc is not installed")
    os.execv(runc, [runc, *sys.argv[1:]])  # noqa: S606 - becoming runc is the purpose


if __name__ == "__main__":
    main()
