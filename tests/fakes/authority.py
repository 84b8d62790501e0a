"""A certificate authority that lives as long as a test: TLS is verified in tests too, only the bundle differs."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from facility.operator import pki


class Authority:
    """Makes certificates into `directory`; its own is the file `bundle`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bundle = directory / "ca.crt"
        self._pair = pki.authority(time.time(), f"test authority {directory.name}"[:64])
        self.bundle.write_bytes(self._pair.certificate)

    def server(self, *hosts: str) -> ssl.SSLContext:
        """A server's context for these names or addresses."""
        leaf = pki.issue(self._pair, hosts, time.time())
        path = self.directory / f"{hosts[0]}.pem"
        path.write_bytes(leaf.certificate + leaf.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.bundle))
