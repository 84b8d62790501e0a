"""What the agent knows of each file, and how `status.json` tells it to people and to the next agent in this pod."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facility.exchange import Wanted


@dataclass(frozen=True)
class Problem:
    """Why the last attempt failed: a code as in RFC 6749 section 5.2 and a text for people."""

    error: str
    description: str


@dataclass(frozen=True)
class Kept:
    """One file. Times are seconds since the epoch; `expires` 0 means that there is no file now."""

    wanted: Wanted
    expires: float = 0.0
    granted: str = ""
    due: float = 0.0
    failures: int = 0
    problem: Problem | None = None

    @property
    def state(self) -> str:
        """`good`; `failing`: still there but not renewed; `missing`."""
        if not self.expires:
            return "missing"
        return "failing" if self.problem else "good"


def find(kept: tuple[Kept, ...], audience: str, scope: str) -> Kept | None:
    """The first file that is what is asked for; "" stands for whatever a file was made with."""
    for one in kept:
        if audience in ("", one.wanted.audience) and scope in ("", one.wanted.scope):
            return one
    return None


def document(now: float, directory: Path, kept: tuple[Kept, ...], problem: Problem | None) -> dict[str, Any]:
    """The content of `status.json`; `problem` is why the list of files could not be had, if it could not."""
    return {
        "updated": _text(now),
        "broker": _problem(problem),
        "files": {one.wanted.name: _file(directory, one) for one in kept},
    }


def restore(status: dict[str, Any]) -> dict[str, tuple[Wanted, float]]:
    """The files that an earlier agent left, with when each expires: {name: (what it is, seconds since the epoch)}."""
    found = {}
    for name, entry in (status.get("files") or {}).items():
        try:
            expires = datetime.fromisoformat(entry["expires"]).timestamp()
            found[name] = (Wanted(name, entry["audience"], entry["asked"]), expires)
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _file(directory: Path, kept: Kept) -> dict[str, Any]:
    return {
        "path": str(directory / kept.wanted.name),
        "state": kept.state,
        "audience": kept.wanted.audience,
        "asked": kept.wanted.scope,
        "scope": kept.granted or kept.wanted.scope,
        "expires": _text(kept.expires) if kept.expires else None,
        **_problem(kept.problem),
    }


def _problem(problem: Problem | None) -> dict[str, str]:
    return {"error": problem.error, "error_description": problem.description} if problem else {}


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
