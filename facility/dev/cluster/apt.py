"""Debian packages of this machine, and the Debian mirror that it uses itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from facility.dev.cluster.problems import ClusterError, check_root
from facility.dev.cluster.run import alone, logged, output, step, works

#: settings of this machine's apt that a new Debian needs as well to reach the same mirror
_CARRIED = re.compile(r"Acquire::(Check-Valid-Until|https?::Proxy(::\S+)?|Retries) ", re.IGNORECASE)


def ensure(packages: Iterable[str]) -> None:
    """Install those packages that are missing. Raises ClusterError when that needs root and this is another user."""
    absent = [name for name in packages if not installed(name)]
    if not absent:
        return
    check_root(f"to install {' '.join(absent)} with apt")
    if not works(["apt-get", "--version"]):
        raise ClusterError(f"this machine has no apt: install {' '.join(absent)} (Debian's names) with its own tools")
    with alone("apt"), step(f"apt: {' '.join(absent)}"):
        logged(["apt-get", "update", "-q"])
        logged(
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", *absent],
            env={"DEBIAN_FRONTEND": "noninteractive"},
        )


def installed(package: str) -> bool:
    """Whether dpkg has a package, fully installed."""
    status = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return works(status) and output(status) == "installed"


def mirror() -> str:
    """Address of the Debian archive in this machine's apt sources, without a slash at its end."""
    listed = output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages"])
    return pick_mirror(listed)


def pick_mirror(listed: str) -> str:
    """The first Debian archive among lines of `URI origin label`.

    Raises:
        ClusterError: there is none, as on a machine that is not Debian.
    """
    for line in listed.splitlines():
        uri, _, kind = line.partition(" ")
        if kind == "Debian Debian":
            return uri.rstrip("/")
    raise ClusterError(
        "no container registry answers and apt's sources name no Debian archive to build base images from: "
        "let Docker reach a registry, or add a Debian archive to apt's sources and run `apt-get update`"
    )


def carried_settings() -> list[str]:
    """Lines of apt configuration (proxies, expired indices allowed) that this machine needs and a new one will too."""
    return [line for line in output(["apt-config", "dump"]).splitlines() if _CARRIED.match(line)]


def expired(complaint: str) -> bool:
    """Whether apt refused a mirror only because its signed index is older than it may be (a frozen snapshot)."""
    return re.search(r"Release file for \S+ is expired", complaint) is not None
