"""The Debian images that everything else is built from: the registry's, or the same made with mmdebstrap."""

from __future__ import annotations

from facility.dev.cluster import apt, registry
from facility.dev.cluster.problems import ClusterError, check_root
from facility.dev.cluster.run import pipe, step


def ensure(suite: str) -> str:
    """Have `debian:<suite>-slim` in the engine, and return that name.

    Raises:
        ClusterError: no registry answers and none of apt's sources is a Debian archive, or this is not root.
    """
    image = f"debian:{suite}-slim"
    if registry.pulled(image):
        return image
    check_root(f"to make {image}, which no registry gives")
    apt.ensure(["mmdebstrap", "ca-certificates"])
    with step(f"{image} from Debian's packages"):
        _make(suite, image)
    return image


_CHANGES = ("--change", 'CMD ["bash"]')
_EXPIRED_TOO = 'Acquire::Check-Valid-Until "false";'


def bootstrap(suite: str, mirror: str, apt_settings: list[str]) -> list[str]:
    """The mmdebstrap command that writes a minimal Debian to its standard output as tar."""
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"),
        *(f"--aptopt={line}" for line in apt_settings),
        *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        *("--dpkgopt=path-include=/usr/share/doc/*/copyright", "--dpkgopt=path-exclude=/usr/share/locale/*"),
        *(suite, "-", f"deb {mirror} {suite} main"),
    ]


def _make(suite: str, image: str) -> None:
    settings, mirror = apt.carried_settings(), apt.mirror()
    sink = ["docker", "import", *_CHANGES, "-", image]
    try:
        pipe(bootstrap(suite, mirror, settings), sink)
    except ClusterError as error:
        if not apt.expired(str(error)):
            raise
        pipe(bootstrap(suite, mirror, [*settings, _EXPIRED_TOO]), sink)
