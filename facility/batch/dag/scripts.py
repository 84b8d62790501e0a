"""PRE and POST scripts: the person's own programs, run beside the person, not on the access point as with DAGMan."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from facility.batch.dag.language import Node, Script

CANNOT = 127  # exit code of a program that cannot be run, as a shell's


class Running(Protocol):
    """A program under way."""

    def poll(self) -> int | None:
        """Its exit code once it has ended."""

    def terminate(self) -> None:
        """Ask it to end."""


class Ended:
    """One that has ended before it began."""

    def __init__(self, code: int) -> None:
        self._code = code

    def poll(self) -> int | None:
        """That."""
        return self._code

    def terminate(self) -> None:
        """It has ended."""


def start(node: Node, script: Script, macros: Mapping[str, str]) -> Running:
    """Runs a node's script in the node's directory; what it prints goes where this process prints."""
    directory = Path(node.directory or ".")
    arguments = [macros.get(word, word) for word in script.arguments]
    beside = (directory / script.program).exists() and "/" not in script.program
    try:
        program = f"./{script.program}" if beside else script.program
        return subprocess.Popen([program, *arguments], cwd=directory, stdin=subprocess.DEVNULL)  # noqa: S603 - theirs
    except OSError:
        return Ended(CANNOT)
