"""Files that are replaced in one step."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write(path: Path, text: Iterable[str]) -> None:
    """In one step: whoever reads finds what was there before, or all of this. Raises OSError."""
    partial = path.with_name(f".{path.name}.new")
    with partial.open("w") as file:
        file.writelines(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
