"""What the agent knows of each file, and how `status.json` tells it to people and to the next agent in this pod.

Two clocks: tokens are judged by the steady one (facility.agent.clock), the time of day is only told. So a reader takes
how long a token was good when the status was written, and how much time has gone since by the steady clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facility.exchange import Token, Wanted


@dataclass(frozen=True)
class Problem:
    """Why the last attempt failed: a code as in RFC 6749 section 5.2 and a text for people."""

    error: str
    description: str


@dataclass(frozen=True)
class Moment:
    """One moment by both clocks: steady seconds, and seconds since the epoch."""

    steady: float
    wall: float


@dataclass(frozen=True)
class Kept:
    """One file. `token` is the one at hand, `life` the longest that was ever given; times are steady seconds.

    `problem`: why it was not renewed; `unwritten`: why it is not in its file.
    """

    wanted: Wanted
    token: Token | None = None
    life: float = 0.0
    due: float = 0.0
    failures: int = 0
    problem: Problem | None = None
    unwritten: Problem | None = None

    @property
    def expires(self) -> float:
        """End of the token at hand, 0 without one."""
        return self.token.expires if self.token else 0.0

    @property
    def state(self) -> str:
        """`good`; `failing`: still there but not renewed; `unwritten`: the file is not; `missing`: no token."""
        if self.unwritten:
            return "unwritten"
        if not self.token:
            return "missing"
        return "failing" if self.problem else "good"


def find(kept: tuple[Kept, ...], audience: str, scope: str) -> Kept | None:
    """The first file that is what is asked for; "" stands for whatever a file was made with."""
    for one in kept:
        if audience in ("", one.wanted.audience) and scope in ("", one.wanted.scope):
            return one
    return None


def document(
    at: Moment, directory: Path, kept: tuple[Kept, ...], problem: Problem | None, ahead: float = 0.0
) -> dict[str, Any]:
    """The content of `status.json`. `problem`: why the list of files could not be had, if it could not.

    `ahead`: seconds by which this node's time of day is before the broker's.
    """
    return {
        "updated": _text(at.wall),
        "clock": {"steady": round(at.steady, 3), "ahead": round(ahead)},
        "broker": _problem(problem),
        "files": {one.wanted.name: _file(at, directory, one) for one in kept},
    }


def since(status: Mapping[str, Any], now: Moment) -> float:
    """Seconds since a status was written; by the time of day where it comes from before the machine's last start."""
    steady = (status.get("clock") or {}).get("steady")
    if isinstance(steady, int | float) and steady <= now.steady:
        return now.steady - steady
    return now.wall - _moment(status.get("updated"), now.wall)


def left(status: Mapping[str, Any], entry: Mapping[str, Any], now: Moment) -> float:
    """Seconds that the token of one of the status' files is good from now on, less than 0 when it is over."""
    seconds = entry.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return 0.0
    return seconds - max(since(status, now), 0.0)


def restore(status: Mapping[str, Any], now: Moment) -> dict[str, tuple[Wanted, float]]:
    """The files that an earlier agent left: {name: (what it is, how many seconds it is still good)}."""
    found = {}
    for name, entry in (status.get("files") or {}).items():
        try:
            found[name] = Wanted(name, entry["audience"], entry["asked"]), left(status, entry, now)
        except (AttributeError, KeyError, TypeError):
            continue
    return found


def _file(at: Moment, directory: Path, kept: Kept) -> dict[str, Any]:
    seconds = max(kept.expires - at.steady, 0.0)
    return {
        "path": str(directory / kept.wanted.name),
        "state": kept.state,
        "audience": kept.wanted.audience,
        "asked": kept.wanted.scope,
        "scope": (kept.token.scope if kept.token else "") or kept.wanted.scope,
        "expires": _text(at.wall + seconds) if kept.token else None,
        "seconds": round(seconds, 3),
        **_problem(kept.unwritten or kept.problem),
    }


def _problem(problem: Problem | None) -> dict[str, str]:
    return {"error": problem.error, "error_description": problem.description} if problem else {}


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _moment(text: Any, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return otherwise
