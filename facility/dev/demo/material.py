"""What the demo's outside world has and the facility must not make: its CA, issuers' keys, people's passwords.

Made once, kept in the cache directory with mode 0600, so that a demo run again finds the same people. All of it is
random; nothing of it is in the repository.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from facility.dev.demo import grid, world
from facility.dev.issuer import mint
from facility.operator import pki

_LIFE = timedelta(days=365)
_NAMES = [f"iam-{name}" for name in world.VOS] + ["origin"]


@dataclass(frozen=True)
class Material:
    """PEM texts and passwords by account, VO or service."""

    ca: str
    certificates: dict[str, str]
    keys: dict[str, str] = field(repr=False)
    signing: dict[str, str] = field(repr=False)
    passwords: dict[str, str] = field(repr=False)
    clients: dict[str, str] = field(repr=False)
    grid: dict[str, str] = field(repr=False, default_factory=dict)


def ensure(directory: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Material:
    """The demo's material: what the directory has, and made what it lacks."""
    file = directory / "material.json"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made, partial = make(now()), directory / ".material.json.new"
    if file.exists():
        found = Material(**json.loads(file.read_text()))
        made = replace(
            found,
            signing=made.signing | found.signing,
            passwords=made.passwords | found.passwords,
            clients=made.clients | found.clients,
            grid=found.grid or made.grid,
        )
        if made == found:
            return found
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
        json.dump(asdict(made), out)
    partial.rename(file)  # whole or not at all: the demo may be interrupted anywhere
    return made


def make(now: datetime) -> Material:
    """New material, certificates valid for a year."""
    ca = pki.authority(now.timestamp(), "Demo lake CA")
    pairs = {name: pki.issue(ca, [f"{name}.{world.NAMESPACE}.svc"], now.timestamp(), _LIFE) for name in _NAMES}
    people = [account.name for vo in world.VOS.values() for account in vo.people]
    return Material(
        ca=ca.certificate.decode(),
        certificates={name: pair.certificate.decode() for name, pair in pairs.items()},
        keys={name: pair.key.decode() for name, pair in pairs.items()},
        signing={vo: mint.signing_key() for vo in world.VOS},
        passwords={name: secrets.token_urlsafe(9) for name in people},
        grid=grid.make(now, _LIFE),
        clients={name: secrets.token_urlsafe(48) for vo in world.VOS for name in (vo, administrator(vo))},
    )


def administrator(vo: str) -> str:
    """Under what name the secret of the client is kept that may change people at the VO's issuer."""
    return f"{vo}-administrator"
