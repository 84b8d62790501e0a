"""Programs that the demo runs: their output is shown when they fail, and only then."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class CommandError(RuntimeError):
    """A program failed; the text has its last lines."""


def run(command: Sequence[str], stdin: str | None = None, timeout: float = 600) -> str:
    """Standard output of a program.

    Raises:
        CommandError: it ended with another status than 0, with the end of what it printed.
        subprocess.TimeoutExpired: after `timeout` seconds.
    """
    done = subprocess.run(list(command), input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise CommandError(f"{' '.join(command[:6])} … ended with status {done.returncode}:\n{tail}")
    return done.stdout
