"""What other programs in the pod see of the agent: token files and `status.json`, each replaced in one step.

XRootD's client refuses a token file that anybody but its owner may read; whoever reads while a file is renewed must
see the old or the new token and never half of one.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

STATUS = "status.json"
SOCKET = "agent.sock"


def write(path: Path, text: str, mode: int) -> None:
    """Replaces `path` by `text`. Nobody else may read it for a moment, whatever the umask.

    Raises:
        OSError: the disk is full, cannot be written, or the like: then `path` is what it was before.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.new")  # commands may write the same file at once
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        partial.chmod(mode)
        partial.rename(path)
    except OSError:
        with suppress(OSError):  # half a file would only fill the disk
            partial.unlink(missing_ok=True)
        raise


def write_token(path: Path, token: str) -> None:
    """The token alone, without a final newline, mode 0600. Raises as `write`."""
    write(path, token, 0o600)


def write_status(directory: Path, status: dict[str, Any]) -> None:
    """`status.json`, mode 0644; it never holds a token. Raises as `write`."""
    write(directory / STATUS, json.dumps(status, indent=1) + "\n", 0o644)


def read_status(directory: Path) -> dict[str, Any]:
    """What `write_status` wrote last; {} when there is none that can be read."""
    try:
        status = json.loads((directory / STATUS).read_text())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}
