"""The signing keys: every PEM file of a mounted directory is published, the newest one signs.

Newest means last by file name, so names carry a date or a number. A key that appears while the issuer runs is
published at once but signs only after `publish_ahead` seconds: verifiers hold key sets for minutes, and a token signed
with a key they have not fetched is refused until they fetch again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from facility.dev.issuer.store import Store

Key = RSAKey | ECKey


class NoKeyError(RuntimeError):
    """The key directory holds no usable PEM file."""


class KeyRing:
    """The keys of a directory, read again whenever its list of files changes; no restart, no signal."""

    def __init__(self, directory: Path, store: Store, publish_ahead: float, now: Callable[[], float]) -> None:
        self._directory, self._store = directory, store
        self._publish_ahead, self._now = publish_ahead, now
        self._keys: dict[str, Key] = {}
        self._read()

    def public(self) -> dict[str, Any]:
        """The key set as IAM publishes it: no `alg`, no `use` (RFC 7517, section 5)."""
        self._read()
        return {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in self._keys.items()]}

    def signing(self) -> tuple[str, Key]:
        """Key id and key to sign with now."""
        self._read()
        ripe = [kid for kid in self._keys if self._ripe(kid)] or list(self._keys)[:1]
        return ripe[-1], self._keys[ripe[-1]]

    def sign(self, claims: dict[str, Any]) -> str:
        """A compact JWS; its header has `kid` and `alg` and, as with IAM, no `typ`."""
        kid, key = self.signing()
        return sign(claims, key, kid)

    def _ripe(self, kid: str) -> bool:
        seen = self._store.get("key", kid) or {"from": 0}
        return float(seen["from"]) <= self._now()

    def _read(self) -> None:
        files = {path.stem: path for path in sorted(self._directory.glob("*.pem"))}
        if not files:
            raise NoKeyError(f"no *.pem file in {self._directory}")
        if list(files) == list(self._keys):
            return
        first = self._store.empty("key")
        with self._store.transaction():
            for kid in files:
                if self._store.get("key", kid) is None:
                    self._store.put("key", kid, {"from": 0 if first else self._now() + self._publish_ahead})
        self._keys = {kid: read_key(path.read_bytes(), kid) for kid, path in files.items()}


def read_key(pem: bytes, kid: str) -> Key:
    """A private signing key from PEM. Raises NoKeyError when it is neither RSA nor elliptic curve."""
    for kind in ("RSA", "EC"):
        try:
            key = import_key(pem, kind, {"kid": kid})  # type: ignore[call-overload]
        except (ValueError, JoseError):  # by version of the library
            continue
        if isinstance(key, RSAKey | ECKey):
            return key
    raise NoKeyError(f"key {kid} is neither an RSA nor an EC private key")


def sign(claims: dict[str, Any], key: Key, kid: str) -> str:
    """A compact JWS (RFC 7515), RS256 or ES256 by the kind of key."""
    algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
    return jwt.encode({"kid": kid, "alg": algorithm}, claims, key, algorithms=[algorithm], default_type=None)
