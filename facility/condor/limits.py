"""What limits the people of a VO at their access point: the file by which the operator tells the credential monitor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What holds for a VO's people. max_running: 0 is no ceiling; suspended: owners, and why."""

    max_running: int = 0
    suspended: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """As it is written into `limits.json`."""
        return json.dumps({"max_running": self.max_running, "suspended": dict(self.suspended)}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Limits:
        """From that file; nothing is limited where there is none. Raises OSError, ValueError or TypeError."""
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()
