"""Tokens of a job: the files that HTCondor puts beside it and renews."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from facility.commands.asking import Ask, Given, NoTokenError
from facility.tokens import claims
from facility.tokens import scopes as algebra


class Job:
    """The files that HTCondor has put beside a job, in `directory`. No other token can be had there."""

    def __init__(self, directory: Path, first: Path | None, now: Callable[[], float] = time.time) -> None:
        self._directory, self._first, self._now = directory, first, now

    def get(self, ask: Ask) -> Given:
        """The first that is asked for; a job cannot ask for less than its token has, so it may be wider."""
        there = {path.stem: given for path in self._paths() if (given := self._read(path))}
        asked = algebra.parse_granted(ask.scope)
        for name, given in there.items():
            covered = not algebra.beyond(asked, algebra.parse_granted(given.scope))
            if ask.audience in ("", given.audience) and ask.name in ("", name) and covered and given.seconds > 0:
                return given
        told = "; ".join(f"{name}: {one.audience} with {one.scope}" for name, one in there.items()) or "none"
        raise NoTokenError(
            f"this job has no such token, and a job cannot ask for others. It has: {told}. "
            "Further services are named when it is submitted: use_oauth_services = NAME"
        )

    def _paths(self) -> list[Path]:
        """The one that programs use comes first."""
        found = sorted(self._directory.glob("*.use"))
        return sorted(found, key=lambda path: path != self._first)

    def _read(self, path: Path) -> Given | None:
        try:
            token = path.read_text().strip()
            found = claims.read(claims.unverified(token)[1])
        except (OSError, ValueError):
            return None
        return Given(token, int(found.expires - self._now()), algebra.text(found.scopes), found.audiences[0])
