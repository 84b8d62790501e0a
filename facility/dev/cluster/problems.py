"""What stops a cluster from coming up, said in one sentence that also says what to do."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

#: what a first `up` writes: Go modules and build cache 9 GB, images and their layers 8 GB, and room to work in
DISK_NEEDED = 25 * 10**9
#: what a cluster takes while the tests run on it: images unpacked once more, volumes, logs
CLUSTER_DISK_NEEDED = 12 * 10**9


class ClusterError(RuntimeError):
    """Something on this machine stands in the way; the text is one sentence and says what to do."""


def check_architecture(machine: Callable[[], str] = platform.machine) -> None:
    """Raise ClusterError on anything but x86-64, for which alone the notebook's wheels and HTCondor are packaged."""
    if (found := machine()) not in ("x86_64", "amd64"):
        raise ClusterError(f"this machine is {found}, but the facility's images are x86-64: use an x86-64 machine")


def check_disk(
    paths: Iterable[Path],
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    needed: int = DISK_NEEDED,
    what: str = "a first build",
) -> None:
    """Raise ClusterError when the file system under one of `paths` has less than `needed` bytes free for `what`."""
    for path in paths:
        there = next(p for p in (path, *path.parents) if p.exists())
        if (left := free(there)) < needed:
            raise ClusterError(
                f"{there} has {left / 1e9:.0f} GB free and {what} needs {needed / 1e9:.0f} GB: "
                "free some, or set FACILITY_CACHE to a larger disk (Docker's own data is in its data-root)"
            )


def check_ports(ports: Iterable[int], taken: Callable[[int], bool] | None = None) -> None:
    """Raise ClusterError when another program already listens on one of `ports` of 127.0.0.1."""
    for port in ports:
        if (taken or _listening)(port):
            raise ClusterError(
                f"port {port} of 127.0.0.1 is taken: end the program that listens there (`ss -ltnp` names it), "
                "or take down the other cluster (`python -m facility.dev.cluster down --name ...`)"
            )


def check_go(found: Callable[[str], str | None] = shutil.which) -> None:
    """Raise ClusterError when there is no Go to build with."""
    if not found("go"):
        raise ClusterError("no Go compiler: install Go 1.26 or newer and put its bin directory on PATH")


def check_root(what: str, user: Callable[[], int] = os.geteuid) -> None:
    """Raise ClusterError when `what` (the end of a sentence: "to ...") needs root and this is another user."""
    if user() != 0:
        raise ClusterError(f"root is needed {what}: run this as root, or let an administrator do that first")


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
