"""A certificate authority that lives as long as a test: TLS is verified in tests too, only the bundle differs."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from facility.operator import pki


class Authority:
    """Keeps what it makes in `directory`; its own certificate is the file `bundle`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bundle = directory / "ca.crt"
        self._pair = pki.authority(time.time(), f"test authority {directory.name}"[:64])
        self.bundle.write_bytes(self._pair.certificate)

    def write(self, folder: Path, *hosts: str) -> Path:
        """A certificate for these names or addresses: tls.crt and tls.key in a folder, as a mounted Secret has them."""
        leaf = pki.issue(self._pair, hosts, time.time())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tls.crt").write_bytes(leaf.certificate)
        (folder / "tls.key").write_bytes(leaf.key)
        return folder

    def server(self, *hosts: str) -> ssl.SSLContext:
        """A server's context for these names or addresses."""
        files = self.write(self.directory / hosts[0], *hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files / "tls.crt", files / "tls.key")
        return context

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.bundle))
