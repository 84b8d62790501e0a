"""The sessions of this machine: one for each VO, each with a record, a refresh token, and access tokens still good."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facility.laptop import keeping, offers, private
from facility.laptop.errors import LaptopError
from facility.laptop.keeping import FILE, Keeping
from facility.laptop.offers import Offer

VO = re.compile(r"[a-z][a-z0-9]{0,14}")


@dataclass(frozen=True)
class Record:
    """A sign-in. `scopes`: granted. `kept`: in which place the refresh token is. `since`: seconds since the epoch."""

    offer: Offer
    hub: str
    subject: str
    scopes: tuple[str, ...]
    kept: str
    since: float

    @property
    def vo(self) -> str:
        """The VO's name."""
        return self.offer.vo


class Sessions:
    """What is kept in `directory`, and in the places for secrets."""

    def __init__(self, directory: Path, places: dict[str, Keeping] | None = None) -> None:
        self._directory = directory
        self.places = keeping.places(directory) if places is None else places

    def vos(self) -> tuple[str, ...]:
        """The VOs with a session here, in order."""
        return tuple(sorted(path.stem for path in self._directory.glob("*.json") if VO.fullmatch(path.stem)))

    @contextmanager
    def locked(self, vo: str) -> Iterator[None]:
        """Keeps other processes of this person from the session: a refresh token is for one at a time."""
        with private.locked(self._directory / f"{checked(vo)}.lock"):
            yield

    def record(self, vo: str) -> Record | None:
        """The sign-in of a VO, None without one. Raises LaptopError when it cannot be read."""
        text = private.read(self._directory / f"{checked(vo)}.json")
        if text is None:
            return None
        try:
            found = json.loads(text)
            kept, since = str(found["kept"]), float(found["since"])
            scopes = tuple(str(one) for one in found["scopes"])
            return Record(offers.read(vo, found["offer"]), found["hub"], found["subject"], scopes, kept, since)
        except (KeyError, TypeError, ValueError):
            raise LaptopError(f"the record of the session with {vo} is damaged: facility login --vo {vo}") from None

    def secret(self, record: Record) -> str | None:
        """The refresh token. Raises LaptopError when its place does not answer."""
        place = self.places.get(record.kept)
        if place is None:
            raise LaptopError(f"the session with {record.vo} is in the system's {record.kept}, which is not here")
        return place.read(record.vo)

    def keep(self, record: Record, secret: str) -> Record:
        """Keeps both; a secret that its place refuses goes to a file. Raises LaptopError when nothing takes it."""
        try:
            self.places[record.kept].write(record.vo, secret)
        except (KeyError, LaptopError):
            if record.kept == FILE:
                raise
            record = replace(record, kept=FILE)
            self.places[FILE].write(record.vo, secret)
        private.write(self._directory / f"{record.vo}.json", json.dumps(_document(record), indent=1) + "\n")
        for name, place in self.places.items():
            if name != record.kept:
                with suppress(LaptopError):  # an older one, which is of no use any more
                    place.remove(record.vo)
        return record

    def forget(self, vo: str) -> None:
        """Nothing of a session is left here. Raises LaptopError."""
        for name in (f"{checked(vo)}.access", f"{vo}.json", f"{vo}.crt"):
            private.remove(self._directory / name)
        shutil.rmtree(self.tokens(vo), ignore_errors=True)
        for place in self.places.values():
            place.remove(vo)

    def tokens(self, vo: str) -> Path:
        """The directory of token files for programs that look for one."""
        return self._directory / f"{checked(vo)}.tokens"

    def bundle(self, record: Record) -> Path:
        """The file of all authorities that caches and access points may be of, made anew. Raises LaptopError."""
        path = self._directory / f"{record.vo}.crt"
        private.write(path, f"{record.offer.trust}\n{keeping.authorities()}")
        return path

    def access(self, vo: str) -> dict[str, Any]:
        """The access tokens that were got, by what they are for; {} when they cannot be read."""
        path = self._directory / f"{checked(vo)}.access"
        try:
            found = json.loads(private.read(path) or "{}")
        except (LaptopError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def drop_access(self, vo: str) -> None:
        """Raises LaptopError."""
        private.remove(self._directory / f"{checked(vo)}.access")

    def keep_access(self, vo: str, tokens: dict[str, Any]) -> None:
        """Raises LaptopError."""
        private.write(self._directory / f"{checked(vo)}.access", json.dumps(tokens))


def checked(vo: str) -> str:
    """The name of a VO, which is part of files' names. Raises LaptopError."""
    if not VO.fullmatch(vo):
        raise LaptopError(f"{vo!r} is no name of a virtual organization")
    return vo


def _document(record: Record) -> dict[str, Any]:
    return {
        "offer": record.offer.document(),
        "hub": record.hub,
        "subject": record.subject,
        "scopes": list(record.scopes),
        "kept": record.kept,
        "since": record.since,
    }
