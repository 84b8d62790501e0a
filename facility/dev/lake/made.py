"""`python -m facility.dev.lake.made FOLDER FILES EVENTS`: larger files than the demo's samples, for measurements.

They have the columns that the demo's analysis reads of a CMS file, with muons made at random from a fixed seed. One
file is written and copied under further names: to a cache and its clients each is a file of its own.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from facility.dev.lake.analysis import FORMATS

_VO = "cms"
_BASKET = 50_000  # events written at a time
_MUON_MASS = 0.10566  # GeV


def names(files: int) -> list[str]:
    """What the files of a folder are called."""
    return [f"made{number:03}.root" for number in range(files)]


def make(folder: Path, files: int, events: int, seed: int = 1) -> int:
    """Have that many files of that many events in the folder. The bytes of one of them. Raises OSError.

    What is there already under such a name is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, *others = (folder / name for name in names(files))
    partial = first.with_suffix(".new")
    _write(partial, events, seed)
    partial.rename(first)
    for other in others:
        shutil.copyfile(first, other)
    return first.stat().st_size


def _write(path: Path, events: int, seed: int) -> None:
    chosen = np.random.default_rng(seed)
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = None
        for begin in range(0, events, _BASKET):
            columns = _columns(min(_BASKET, events - begin), chosen)
            if tree is None:
                types = {name: column.type.content for name, column in columns.items()}
                tree = file.mktree(FORMATS[_VO].tree, types)
            tree.extend(columns)


def _columns(events: int, chosen: np.random.Generator) -> dict[str, Any]:
    """Two muons in the mean, energies falling off as they do, one jagged array per branch."""
    counts = chosen.poisson(2.0, events)
    total, leptons = int(counts.sum()), FORMATS[_VO]
    flat = {
        leptons.pt: (3 + chosen.exponential(20.0, total)).astype(np.float32),
        leptons.eta: chosen.normal(0.0, 1.2, total).astype(np.float32),
        leptons.phi: chosen.uniform(-np.pi, np.pi, total).astype(np.float32),
        leptons.mass: np.full(total, _MUON_MASS, np.float32),
        leptons.charge: chosen.choice(np.array([-1, 1], np.int32), total),
    }
    return {name: ak.unflatten(values, counts) for name, values in flat.items()}


def main(arguments: list[str]) -> None:
    """As the module says; prints the bytes of one file."""
    folder, files, events = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    sys.stdout.write(f"{make(folder, files, events)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
