"""What a cache holds, as XRootD writes it down once a minute (`pfc.dirstats`, DirStat.json of XRootD 6.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

#: the file's name in the folder of the cache's data that XRootD calls `pfc-stats`
FILE = "DirStat.json"
_BLOCK = 512  # bytes of st_blocks (stat(2))
_USAGE = "m_usage"


@dataclass(frozen=True)
class Held:
    """at: seconds since the epoch. size: bytes on disk. folders: bytes by directory, each with what is below it."""

    at: float
    size: int
    files: int
    folders: dict[str, int] = field(default_factory=dict)


def parsed(text: str) -> Held | None:
    """What the file says; nothing while XRootD is writing it, as it does so in place."""
    try:
        told = json.loads(text)
        states: list[dict[str, Any]] = told["m_dir_states"]
        paths = _paths(states)
        sizes = {path: int(one[_USAGE]["m_StBlocks"]) * _BLOCK for path, one in zip(paths, states, strict=True)}
        files = int(states[0][_USAGE]["m_NFiles"])
        return Held(float(told["m_usage_update_time"]), int(told["m_file_usage"]), files, sizes)
    except (ValueError, LookupError, TypeError):
        return None


def _paths(states: list[dict[str, Any]]) -> list[str]:
    """Of each directory, all of which come after the one that they are in."""
    found: list[str] = []
    for one in states:
        parent = int(one["m_parent"])
        found.append("/" if parent < 0 else f"{found[parent].rstrip('/')}/{one['m_dir_name']}")
    return found
