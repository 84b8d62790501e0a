"""Files of TLS, on both sides, that change while the broker runs.

Certificates are renewed and the trust bundle grows without a restart: who holds a context gets a new one, or the same
one with the new certificate in it.
"""

from __future__ import annotations

import ssl
from pathlib import Path


class Trust:
    """The context for outgoing connections, made anew when the bundle's file has changed."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._stamp = _stamp(bundle)
        self._context = ssl.create_default_context(cafile=str(bundle))

    def context(self) -> ssl.SSLContext:
        """The context to use now; the old one while the bundle cannot be read."""
        stamp = _stamp(self._bundle)
        if stamp != self._stamp:
            try:
                self._context = ssl.create_default_context(cafile=str(self._bundle))
            except OSError:
                return self._context
            self._stamp = stamp
        return self._context


class Certificate:
    """The context of the server, whose certificate `renew` exchanges in place."""

    def __init__(self, directory: Path) -> None:
        self._chain, self._key = directory / "tls.crt", directory / "tls.key"
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(self._chain, self._key)
        self._stamp = self._stamps()

    def renew(self) -> bool:
        """Whether the files have changed and are in use now. Raises OSError (ssl.SSLError) when they do not fit."""
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        # first into a context that nobody uses: half of a pair that does not fit would stay in the one in use
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self._chain, self._key)
        self.context.load_cert_chain(self._chain, self._key)
        self._stamp = stamp
        return True

    def _stamps(self) -> tuple[object, ...]:
        return _stamp(self._chain), _stamp(self._key)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
