"""A keyring for tests, as a module that the library `keyring` loads: it keeps secrets in a file, or refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class Safe(KeyringBackend):
    """Its file is named by TEST_SAFE; it is locked while TEST_SAFE_LOCKED is set."""

    priority = 5.0  # type: ignore[assignment]

    @property
    def _path(self) -> Path:
        if "TEST_SAFE_LOCKED" in os.environ:
            raise KeyringLocked("the secret is refresh-token")
        return Path(os.environ["TEST_SAFE"])

    def _all(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path.write_text(json.dumps(self._all() | {f"{service} {username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        left = {key: value for key, value in self._all().items() if key != f"{service} {username}"}
        self._path.write_text(json.dumps(left))
