"""Locks every image, and the developers' tests, to wheels of exact version and hash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from facility.dev.images.catalog import IMAGES, Image

#: Debian forky's Python in the images, the oldest supported one on developers' machines
_IN_IMAGES, _FOR_TESTS = "3.14", "3.11"
_TESTS = Path("tests/requirements.txt")
_TEST_EXTRAS = ("operator", "broker", "hub", "lake", "demo")


class LockError(RuntimeError):
    """A lock could not be made; the text says why."""


def lock(root: Path) -> None:
    """Resolve anew and write every lock file. Raises LockError when uv is missing or finds no solution."""
    if not find_spec("uv"):
        raise LockError("this Python has no uv: use one with tests/requirements.txt installed")
    for command in commands(root):
        done = subprocess.run([sys.executable, "-m", "uv", *command], cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise LockError(f"uv {' '.join(command)}: {done.stderr.strip()}")


def commands(root: Path) -> list[list[str]]:
    """uv's arguments, in order: the tests' lock first, because images take their common versions from it."""
    tests = _compile(_TESTS, _FOR_TESTS, _TEST_EXTRAS, [_TESTS.with_suffix(".in")], [])
    images = [_image(root, image) for image in IMAGES.values()]
    return [tests, *images, _samples()]


def _image(root: Path, image: Image) -> list[str]:
    folder = Path("images") / image.name
    own = folder / "requirements.in"
    sources = [own] if (root / own).exists() else []
    return _compile(folder / "requirements.txt", _IN_IMAGES, image.extras, sources, [_TESTS])


def _samples() -> list[str]:
    folder = Path("images/demo")
    return [
        "pip",
        "compile",
        *_OPTIONS,
        f"--python-version={_IN_IMAGES}",
        *_files(folder / "hatch.txt", [folder / "hatch.in"]),
    ]


_OPTIONS = ("--quiet", "--upgrade", "--generate-hashes", "--no-build", "--no-annotate", "--no-header")


def _compile(
    target: Path, python: str, extras: Sequence[str], sources: Sequence[Path], constraints: Sequence[Path]
) -> list[str]:
    return [
        *("pip", "compile", *_OPTIONS, f"--python-version={python}"),
        *(f"--extra={extra}" for extra in extras),
        *(f"--constraints={path}" for path in constraints),
        *_files(target, [Path("pyproject.toml"), *sources]),
    ]


def _files(target: Path, sources: Sequence[Path]) -> list[str]:
    return [f"--output-file={target}", *map(str, sources)]
