"""All that an image is made from, and the tag that follows from it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from facility.dev.images.catalog import CORE, REPOSITORY, TOP, Image

_TAG_LENGTH = 12
_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def inputs(root: Path, image: Image) -> dict[str, Path]:
    """Build context of an image: path in the context -> file of the checkout at `root`.

    The context holds `Dockerfile`, `image/` (the image's own folder), `shared/` (what images have in common) and
    `source/` (pyproject.toml and those parts of the package that the image holds).
    """
    folder = root / "images" / image.name
    found = {f"image/{path.relative_to(folder)}": path for path in files(folder)}
    found["Dockerfile"] = found.pop("image/Dockerfile")
    shared = root / "images" / "shared"
    found |= {f"shared/{path.relative_to(shared)}": path for path in files(shared)}
    source = [root / "pyproject.toml", *_sources(root / "facility", image)]
    found |= {f"source/{path.relative_to(root)}": path for path in source}
    return dict(sorted(found.items()))


def digest(context: Mapping[str, Path], base: str) -> str:
    """Hash of names, contents and executable bits of a context's files, and of the base image's id."""
    total = sha256(base.encode())
    for name, path in sorted(context.items()):
        kind = "x" if _executable(path) else "-"
        total.update(f"\n{kind} {name} {sha256(path.read_bytes()).hexdigest()}".encode())
    return total.hexdigest()


def reference(name: str, digest_: str) -> str:
    """Name and tag of an image in the engine."""
    return f"{REPOSITORY}/{name}:{digest_[:_TAG_LENGTH]}"


def lay_out(context: Mapping[str, Path], folder: Path) -> None:
    """Copy a context into an empty folder, with modes that depend on nothing but the executable bit."""
    for name, path in context.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755 if _executable(path) else 0o644)
    for below in folder.rglob("*/"):
        below.chmod(0o755)


def files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, but for what Python and the checks leave behind."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _IGNORED.intersection(path.parts):
            yield path


def _sources(package: Path, image: Image) -> Iterator[Path]:
    yield from (path for path in sorted(package.glob("*.py")) if path.stem != TOP)
    for name in CORE + image.parts:
        place = package.joinpath(*name.split("."))
        yield from files(place) if place.is_dir() else [place.with_suffix(".py")]


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)
