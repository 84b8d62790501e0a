"""The store that the site's settings name."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext

from facility.broker.sealing import Seal
from facility.broker.secrets import SecretStore
from facility.broker.store import Store
from facility.broker.vault import VaultStore
from facility.broker.vault_client import VaultClient
from facility.kubernetes import Kubernetes
from facility.site import Site

#: the broker's own identity for Vault: a projected ServiceAccount token of an audience that Vault expects
IDENTITY = Path("/var/run/secrets/vault/token")


def made(
    site: Site,
    kubernetes: Kubernetes,
    keys: Path,
    trust: Callable[[], SSLContext],
    pulse: Callable[[], float] = time.monotonic,
) -> Store:
    """The store, closed by who asked for it. Nothing is read yet. `pulse`: seconds of a clock that never jumps."""
    vault = site.storage.vault
    if vault is None:
        return SecretStore(kubernetes, site.namespaces.facility, Seal(keys, pulse))
    return VaultStore(VaultClient(vault, IDENTITY, trust, pulse), vault)
