"""Has images in the engine, building only those whose inputs have changed."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from facility.dev.cluster import base, engine, registry
from facility.dev.cluster.run import logged, output, step
from facility.dev.images import machine, places
from facility.dev.images.catalog import IMAGES
from facility.dev.images.inputs import digest, files, inputs, lay_out, reference

ROOT = Path(__file__).resolve().parents[3]
_SUITE = "forky"


class UnknownImageError(ValueError):
    """A name that no image has; the text says which there are."""


def ensure(names: Iterable[str] | None = None) -> dict[str, str]:
    """Have these images (all, unless told) in the engine; name -> reference, `analysis-facility/hub:0123456789ab`.

    Raises:
        UnknownImageError: no such image.
        ClusterError: there is no engine, no base image, or a build failed; the text ends with the build's last lines.
    """
    wanted = check(IMAGES if names is None else names)
    base_ = _base()
    first = {name: _ensure(name, base_) for name in wanted[:1]}  # has the layers that all begin with
    with ThreadPoolExecutor(max_workers=2) as two:  # while one is fetched, another is unpacked
        return first | dict(zip(wanted[1:], two.map(lambda name: _ensure(name, base_), wanted[1:]), strict=True))


def planned(names: Iterable[str] | None = None) -> dict[str, str]:
    """What `ensure` would have in the engine; builds none, but needs the engine and the base image, as it does."""
    wanted = check(IMAGES if names is None else names)
    base_ = _base()
    return {name: reference(name, digest(inputs(ROOT, IMAGES[name]), base_)) for name in wanted}


def _ensure(name: str, base_: str) -> str:
    """One image, of a snapshot of the checkout: what is edited meanwhile is in neither the image nor its tag."""
    with TemporaryDirectory(prefix="facility-image-") as folder:
        context = Path(folder)
        lay_out(inputs(ROOT, IMAGES[name]), context)
        ref = reference(name, digest({str(path.relative_to(context)): path for path in files(context)}, base_))
        if not registry.present(ref):
            machine.lay_out(context / "machine")
            with step(f"image {ref}"):
                logged(["docker", "build", "--network", "host", "--tag", ref, context])
            places.drop_superseded(name, ref)
    return ref


def _base() -> str:
    engine.ensure()
    return base_id(base.ensure(_SUITE))


def base_id(image: str) -> str:
    """The content id of an image in the engine."""
    return output(["docker", "image", "inspect", "--format", "{{.Id}}", image]).strip()


def check(names: Iterable[str]) -> tuple[str, ...]:
    """The same names, once each. Raises UnknownImageError for one that is none of the images."""
    wanted = tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in IMAGES]:
        raise UnknownImageError(f"no image {', '.join(unknown)}: there are {', '.join(IMAGES)}")
    return wanted
