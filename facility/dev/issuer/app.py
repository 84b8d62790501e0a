"""The development issuer as a program: `python -m facility.dev.issuer.app`, with TLS, one process, several threads.

One process, because its locks are what makes a code or a rotated refresh token good for a single request. The access
log shows paths without their queries: codes and states travel in those.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response
from gunicorn.app.base import BaseApplication

from facility.dev.issuer import admin, api, pages
from facility.dev.issuer.keys import KeyRing
from facility.dev.issuer.mood import Moody
from facility.dev.issuer.server import Server
from facility.dev.issuer.settings import load_directory, load_settings
from facility.dev.issuer.store import Store
from facility.dev.issuer.tokens import Issuer


@dataclass(frozen=True)
class Files:
    """Where the mounted files are."""

    settings: Path = Path("/etc/issuer/issuer.yaml")
    people: Path = Path("/etc/issuer/people/people.yaml")
    clients: Path = Path("/etc/issuer/clients/clients.yaml")
    keys: Path = Path("/etc/issuer/keys")
    tls: Path = Path("/etc/issuer/tls")
    state: Path = Path("/var/lib/issuer/issuer.sqlite")


def assemble(files: Files, now: Callable[[], float] = time.time) -> Issuer:
    """The issuer that the files describe. Raises what reading them raises, and keys.NoKeyError."""
    settings = load_settings(files.settings)
    store = Store(str(files.state), now)
    keys = KeyRing(files.keys, store, settings.publish_ahead, now)
    return Issuer(settings, load_directory(files.people, files.clients), store, keys, now)


def create(issuer: Issuer) -> Flask:
    """The WSGI application of an issuer."""
    app = Flask(__name__, static_folder=None)
    server = Server(issuer)
    moody = Moody(app.wsgi_app, issuer.settings.mood)
    app.wsgi_app = moody  # type: ignore[method-assign, assignment]
    app.register_blueprint(api.blueprint(server))
    app.register_blueprint(admin.blueprint(server, moody))
    app.register_blueprint(pages.blueprint(issuer))
    app.get("/healthz")(_healthy)
    return app


def _healthy() -> Response:
    return Response("ok\n", content_type="text/plain")


class Program(BaseApplication):  # type: ignore[misc]
    """gunicorn, told by arguments what its command line would say."""

    def __init__(self, files: Files, bind: str) -> None:
        self._files, self._bind = files, bind
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        for name, value in options(self._files, self._bind).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called by gunicorn in its worker process."""
        return create(assemble(self._files))


def options(files: Files, bind: str) -> dict[str, Any]:
    """gunicorn's settings."""
    return {
        "bind": bind,
        "workers": 1,
        "worker_class": "gthread",
        "threads": 8,
        "keepalive": 15,
        "graceful_timeout": 5,
        "certfile": str(files.tls / "tls.crt"),
        "keyfile": str(files.tls / "tls.key"),
        "accesslog": "-",
        "access_log_format": "%(h)s %(m)s %(U)s %(s)s %(B)s %(M)sms",
        "control_socket_disable": True,
    }


def main() -> None:
    """Serve until told to end.

    ISSUER_CONFIG is the directory of the files, ISSUER_KEYS the one of the signing keys (`keys` in it unless given),
    ISSUER_STATE the database, ISSUER_BIND the address to listen at.
    """
    root = Path(os.environ.get("ISSUER_CONFIG", "/etc/issuer"))
    state = Path(os.environ.get("ISSUER_STATE", str(Files.state)))
    files = Files(
        root / "issuer.yaml",
        root / "people" / "people.yaml",
        root / "clients" / "clients.yaml",
        Path(os.environ.get("ISSUER_KEYS", str(root / "keys"))),
        root / "tls",
        state,
    )
    Program(files, os.environ.get("ISSUER_BIND", "0.0.0.0:8443")).run()


if __name__ == "__main__":
    main()
