"""HTCondor's command line tools, run by the programs beside its daemons."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_PATIENCE = 30  # seconds


def run(command: Sequence[str], name: str = "") -> str:
    """Run a tool; what went wrong, in words that begin with its name, or nothing."""
    tool = name or command[0]
    try:
        done = subprocess.run(  # noqa: S603 - constants, and names that were checked
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{tool} failed: {error}"
    told = (done.stderr or done.stdout).strip()[:500]
    return "" if done.returncode == 0 else f"{tool} failed: {told}"
