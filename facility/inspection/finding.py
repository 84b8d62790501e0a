"""One thing that an administrator should know, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is. ERROR: somebody cannot work. WARNING: somebody soon cannot, or a part does not. NOTE: no fault."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """`vo`: whose it is, empty for what all VOs stand on. `about`: the object. `todo`: empty when nothing is to do."""

    severity: Severity
    vo: str
    about: str
    sentence: str
    todo: str = ""
