"""`python3 -m facility.xcache.start`: the entry point of a cache's container.

The TLS pair has to be copied for XRootD (facility.xcache.tls, which also renews it later); it wants a secret of its own
against plain http; and how much of the volume it may fill depends on the volume. Then this process becomes xrootd,
which logs to stderr.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from facility.secrecy import forbid_core_files
from facility.xcache import places, tls
from facility.xcache.places import below

_MEBI = 1 << 20


def main() -> None:
    """Prepares and never returns. Raises OSError or KeyError, with the name of what is missing."""
    forbid_core_files()  # readers' tokens are in its memory, and the cache's own
    size = int(os.environ[places.SIZE])
    volume = os.statvfs(places.VOLUME)
    prepare(Path("/"), configuration(size, volume.f_frsize * volume.f_blocks))
    if Path(places.ROBOT).exists():
        os.environ |= dict.fromkeys(places.HTTPS_PROXY_FILES, places.ROBOT)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # there it prints each directory that it holds, once a minute
    os.execvp("xrootd", ["xrootd", "-c", f"{places.RUN}/{places.XROOTD_CONFIG}", "-n", "xcache"])  # noqa: S606, S607


def configuration(size: int, total: int) -> str:
    """The last line of the configuration: how much of a volume of `total` bytes a cache of `size` bytes may fill.

    The files' limits keep the VO within its size where volumes share a disk; the others keep a full disk usable. The
    former have to lie below the latter, or xrootd does not start.
    """
    largest = max(int(min(0.95 * size, 0.85 * total)) // _MEBI, 3)
    nominal = min(int(0.92 * largest), largest - 1)
    baseline = min(int(0.85 * largest), nominal - 1)
    return f"pfc.diskusage 0.90 0.95 files {baseline}m {nominal}m {largest}m purgeinterval 60\n"


def prepare(root: Path, last_line: str) -> None:
    """Makes all that xrootd needs below `root`, again after each restart of the container."""
    os.umask(0o077)
    for directory in (places.RUN, places.DATA, places.KEYS):
        below(root, directory).mkdir(parents=True, exist_ok=True)
    _tell_elsewhere(below(root, places.STATISTICS), f"{places.VOLUME}/{places.ACCOUNTING_FOLDER}", root)
    tls.install(root)
    _write(below(root, places.HTTP_SECRET), os.urandom(32).hex().encode(), 0o600)
    rendered = (below(root, places.CONFIG) / places.XROOTD_CONFIG).read_bytes()
    _write(below(root, places.RUN) / places.XROOTD_CONFIG, rendered + last_line.encode(), 0o600)


def _tell_elsewhere(folder: Path, there: str, root: Path) -> None:
    """XRootD writes down what it holds among the files themselves, which the container that accounts shall not see."""
    below(root, there).mkdir(exist_ok=True)
    if folder.is_symlink():
        return
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.symlink_to(there)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)  # of an earlier start, perhaps read-only
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


if __name__ == "__main__":
    main()
