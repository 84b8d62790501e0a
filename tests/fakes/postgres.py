"""A real PostgreSQL of this machine, with TLS and a password, for as long as a test needs it.

Debian's package `postgresql` has the programs; PostgreSQL does not run as root, so root lends it another account.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from facility.dev.cluster import apt
from tests.fakes.authority import Authority
from tests.fakes.ports import free_port

PASSWORD = "pass:word\\of the hub"
_DEBIAN, _INITDB = Path("/usr/lib/postgresql"), "*/bin/initdb"
_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Database:
    """An empty database of a role that signs in with PASSWORD."""

    url: str

    @staticmethod
    def programs() -> Path:
        """The newest server's programs, Debian's where there are none. Raises ClusterError where that needs root."""
        apt.ensure(() if list(_DEBIAN.glob(_INITDB)) else ["postgresql"])
        found = sorted(_DEBIAN.glob(_INITDB), key=lambda one: int(one.parts[-3]))
        return found[-1].parent


@contextmanager
def postgres() -> Iterator[Database]:
    """Start it, and end it."""
    programs, place = Database.programs(), Path(mkdtemp(prefix="postgres-"))
    account = _account()
    try:
        authority = Authority(place)
        authority.write(place, "127.0.0.1")
        (place / "password").write_text(PASSWORD)
        _give(place, account)
        made = (programs / "initdb", "-D", place / "data", "-U", "hub", "-A", "scram-sha-256")
        _run(account, *made, f"--pwfile={place / 'password'}", "--no-sync")
        port = free_port()
        with _serving(programs, place, port, account):
            yield Database(f"postgresql://hub@127.0.0.1:{port}/postgres?sslrootcert={authority.bundle}")
    finally:
        shutil.rmtree(place)


@contextmanager
def _serving(programs: Path, place: Path, port: int, account: str | None) -> Iterator[None]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": place,
        "ssl": "on",
        "ssl_cert_file": place / "tls.crt",
        "ssl_key_file": place / "tls.key",
        "fsync": "off",
    }
    options = " ".join(f"-c {key}={value}" for key, value in settings.items())
    control = (programs / "pg_ctl", "-D", place / "data", "-w")
    _run(account, *control, "-l", place / "log", "-o", options, "start")
    try:
        yield
    finally:
        _run(account, *control, "-m", "immediate", "stop")


def _account() -> str | None:
    if os.geteuid():
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in _ACCOUNTS if name in known)


def _give(place: Path, account: str | None) -> None:
    """All files to that account; the key to it alone, as PostgreSQL wants it, and the bundle to everybody."""
    for one in (place, *place.iterdir()):
        if account:
            shutil.chown(one, account)
        one.chmod(0o755 if one == place else 0o600)
    (place / "ca.crt").chmod(0o644)


def _run(account: str | None, *command: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], user=account, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
