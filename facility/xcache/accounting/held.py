"""What a cache holds, as XRootD writes it down once a minute (`pfc.dirstats`, DirStat.json of XRootD 6.2)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

#: the file's name in the folder of the cache's data that XRootD calls `pfc-stats`
FILE = "DirStat.json"
_BLOCK = 512  # bytes of st_blocks (stat(2))
_USAGE = "m_usage"
#: depth of folders that are told of in any case, such as /cms/open
_UPPERMOST = 2


@dataclass(frozen=True)
class Held:
    """at: seconds since the epoch. size: bytes on disk. folders: bytes by directory, each with what is below it."""

    at: float
    size: int
    files: int
    folders: dict[str, int] = field(default_factory=dict)

    def told(self, others: Collection[str]) -> Held:
        """The same, of the uppermost folders and these others alone."""
        folders = {path: size for path, size in self.folders.items() if _high(path) or path in others}
        return replace(self, folders=folders)


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


def _high(path: str) -> bool:
    return path.rstrip("/").count("/") <= _UPPERMOST


def _paths(states: list[dict[str, Any]]) -> list[str]:
    """Of each directory, all of which come after the one that they are in."""
    found: list[str] = []
    for one in states:
        parent = int(one["m_parent"])
        found.append("/" if parent < 0 else f"{found[parent].rstrip('/')}/{one['m_dir_name']}")
    return found
