"""The operator as a client of HTCondor: it may look at queues, by a token that it gives itself, and do nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from facility import names
from facility.condor import idtoken
from facility.condor.config import OPERATOR
from facility.condor.jobs import OwnerJobs, Queues
from facility.site import Site

DIRECTORY = Path("/run/operator")
_LIFE = 24 * 3600  # seconds of a token's life; a new one is written at half of it


class Reader:
    """Reads one access point's queue with the operator's identity."""

    def __init__(self, site: Site, key: bytes, now: Callable[[], float], directory: Path = DIRECTORY):
        """`key`: the pool's key; `directory`: in memory, this reader's alone."""
        self._key, self._now, self._directory = key, now, directory
        self._good_until = 0.0
        self._config = directory / "condor_config"
        self._tokens = directory / "tokens.d"
        self._tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(self._config, configuration(site, directory))
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
        self._queues = Queues({**kept, "CONDOR_CONFIG": str(self._config), "HOME": str(directory)})

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        """All owners' jobs at that schedd. Raises QueueError."""
        if self._now() >= self._good_until:
            token = idtoken.mint(self._key, OPERATOR, idtoken.READ_SCOPES, self._now(), _LIFE)
            write(self._tokens / "operator", token)
            self._good_until = self._now() + _LIFE / 2
        return self._queues.ask(schedd)

    def close(self) -> None:
        """End the process that reads."""
        self._queues.close()


def configuration(site: Site, directory: Path) -> str:
    """`condor_config` of a client that has an identity token, and accepts no connection without."""
    return f"""\
RELEASE_DIR = /usr
LOCAL_DIR = {directory}
LOG = {directory}
RUN = {directory}
LOCK = {directory}
COLLECTOR_HOST = {site.central_manager}:{names.CONDOR_PORT}
TRUST_DOMAIN = {names.TRUST_DOMAIN}
UID_DOMAIN = {names.TRUST_DOMAIN}
ENABLE_IPV6 = False
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_CLIENT_AUTHENTICATION = REQUIRED
SEC_CLIENT_ENCRYPTION = REQUIRED
SEC_CLIENT_INTEGRITY = REQUIRED
SEC_TOKEN_DIRECTORY = {directory}/tokens.d
SEC_TOKEN_SYSTEM_DIRECTORY = {directory}/tokens.d
"""


def write(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read. Raises OSError."""
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.rename(path)
