"""HTCondor's command line tools, run by the programs beside its daemons."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_PATIENCE = 30  # seconds


class ToolError(Exception):
    """A tool did not do what it was to do; the text begins with its name."""


def run(command: Sequence[str], name: str = "") -> str:
    """Run a tool; what went wrong, in words that begin with its name, or nothing."""
    try:
        output(command, name)
    except ToolError as error:
        return str(error)
    return ""


def output(command: Sequence[str], name: str = "") -> str:
    """Run a tool; what it printed. Raises ToolError."""
    tool = name or command[0]
    try:
        done = subprocess.run(  # noqa: S603 - constants, and names that were checked
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{tool} failed: {error}") from None
    if done.returncode:
        raise ToolError(f"{tool} failed: {(done.stderr or done.stdout).strip()[:500]}")
    return done.stdout
