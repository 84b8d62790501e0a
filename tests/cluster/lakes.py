"""The demo's lake as those see it who keep it: files come, grow, are replaced and go at the origin."""

from __future__ import annotations

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage


def put(stage: Stage, path: str, size: int, letter: str = "a") -> None:
    """A file of so many letters at the origin: whole at once, in the place of one that is there."""
    written = f"head -c {size} /dev/zero | tr '\\0' {letter}"
    _at_origin(stage, f'{written} >"/lake{path}.new" && mv "/lake{path}.new" "/lake{path}"')


def append(stage: Stage, path: str, size: int) -> None:
    """That many bytes more at a file's end."""
    _at_origin(stage, f'head -c {size} /dev/zero >>"/lake{path}"')


def remove(stage: Stage, path: str) -> None:
    """No such file any more, if there was one."""
    _at_origin(stage, f'rm -f "/lake{path}"')


def _at_origin(stage: Stage, command: str) -> None:
    stage.cluster.do("exec", "-n", world.NAMESPACE, "deploy/origin", "-c", "origin", "--", "sh", "-c", command)
