"""The demo's analysis: the invariant mass of lepton pairs in real CMS and ATLAS events.

One file with no import from this project: it is shipped as it is into notebooks and jobs. It says nothing of tokens;
`root://`, `https://` and local paths are all the same to it. In a notebook `import analysis`; as a program
`python analysis.py --vo cms --url URL --start 0 --stop 20 --out part.json`.

A histogram is a plain dictionary that JSON keeps exactly: whole numbers and fixed bin edges only, so that merged parts
and the whole can be compared with `==`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

#: bin edges in GeV: 60 bins of 2 GeV; heavier pairs are counted as `above`
LOW, HIGH, BINS = 0.0, 120.0, 60


@dataclass(frozen=True)
class Leptons:
    """Where a file format keeps one kind of charged lepton, and how many GeV its unit of energy is."""

    name: str
    tree: str
    pt: str
    eta: str
    phi: str
    mass: str
    charge: str
    gev: float

    @property
    def branches(self) -> list[str]:
        """All branches that are read."""
        return [self.pt, self.eta, self.phi, self.mass, self.charge]


def _nanoaod(vo: str) -> Leptons:
    return Leptons(f"{vo}: two muons", "Events", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge", 1.0)


def _physlite(vo: str) -> Leptons:
    pt, eta, phi, mass, charge = (f"AnalysisElectronsAuxDyn.{word}" for word in ("pt", "eta", "phi", "m", "charge"))
    return Leptons(f"{vo}: two electrons", "CollectionTree", pt, eta, phi, mass, charge, 0.001)


FORMATS = {"cms": _nanoaod("cms"), "escape": _nanoaod("escape"), "atlas": _physlite("atlas")}


def entries(url: str, vo: str) -> int:
    """Number of events in the file."""
    with uproot.open(url) as file:
        return int(file[FORMATS[vo].tree].num_entries)


def part(total: int, number: int, count: int) -> tuple[int, int]:
    """First event and the one after the last, of part `number` (from 0) of `count` nearly equal parts."""
    return total * number // count, total * (number + 1) // count


def histogram(url: str, vo: str, start: int = 0, stop: int | None = None) -> dict[str, Any]:
    """Masses of all pairs of opposite charge in events `start` to `stop` (all of them unless given).

    Raises OSError when the file cannot be read, KeyError when it is not of the VO's format.
    """
    leptons = FORMATS[vo]
    with uproot.open(url) as file:
        events = file[leptons.tree].arrays(leptons.branches, entry_start=start, entry_stop=stop)
    return fill(leptons.name, masses(events, leptons), len(events))


def masses(events: Any, leptons: Leptons) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Invariant masses in GeV of all pairs of opposite charge, event by event; float64, shape (pairs,)."""
    columns = {"pt": leptons.pt, "eta": leptons.eta, "phi": leptons.phi, "m": leptons.mass, "q": leptons.charge}
    vectors = ak.zip({name: ak.values_astype(events[branch], np.float64) for name, branch in columns.items()})
    one, other = ak.unzip(ak.combinations(vectors, 2))
    opposite = one.q * other.q < 0
    squared = _pair_mass_squared(ak.flatten(one[opposite]), ak.flatten(other[opposite]))
    found: np.ndarray[Any, np.dtype[np.float64]] = np.sqrt(np.maximum(squared, 0.0)) * leptons.gev
    return found


def _pair_mass_squared(one: Any, other: Any) -> Any:
    total = [a + b for a, b in zip(_four_vector(one), _four_vector(other), strict=True)]
    return total[0] ** 2 - total[1] ** 2 - total[2] ** 2 - total[3] ** 2


def _four_vector(lepton: Any) -> tuple[Any, Any, Any, Any]:
    pt, eta, phi, mass = (ak.to_numpy(lepton[name]) for name in ("pt", "eta", "phi", "m"))
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.sqrt(x**2 + y**2 + z**2 + mass**2), x, y, z


def fill(name: str, values: np.ndarray[Any, np.dtype[np.float64]], events: int) -> dict[str, Any]:
    """A histogram of masses in GeV."""
    counts, _ = np.histogram(values, bins=BINS, range=(LOW, HIGH))
    return {
        "name": name,
        "unit": "GeV",
        "low": LOW,
        "high": HIGH,
        "counts": [int(n) for n in counts],
        "above": int(np.count_nonzero(values > HIGH)),
        "events": events,
    }


def merge(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The sum of histograms of one kind. Raises ValueError when there is none or their kinds differ."""
    todo = list(parts)
    if not todo:
        raise ValueError("nothing to merge")
    kind = {key: todo[0][key] for key in ("name", "unit", "low", "high")}
    if any({key: one[key] for key in kind} != kind or len(one["counts"]) != BINS for one in todo):
        raise ValueError("these histograms are not of one kind")
    summed = {key: sum(one[key] for one in todo) for key in ("above", "events")}
    return {**kind, "counts": [sum(bins) for bins in zip(*(one["counts"] for one in todo), strict=True)], **summed}


def draw(found: dict[str, Any], path: str | Path, title: str = "") -> None:
    """Write the histogram as a picture; the file's name says in which format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    edges = np.linspace(found["low"], found["high"], len(found["counts"]) + 1)
    axes.stairs(found["counts"], edges, fill=True, color="#0a5aa8")
    axes.set_xlabel(f"invariant mass [{found['unit']}]")
    axes.set_ylabel(f"pairs per {edges[1] - edges[0]:g} {found['unit']}")
    axes.set_title(title or found["name"], loc="left")
    axes.set_title(f"{found['events']} events, {sum(found['counts'])} pairs", loc="right", fontsize="small")
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> None:
    """The command line: a histogram of one file or a part of it, as JSON."""
    parser = argparse.ArgumentParser(description="Invariant mass of lepton pairs, as JSON.")
    parser.add_argument("--vo", required=True, choices=sorted(FORMATS), help="whose file format")
    parser.add_argument("--url", required=True, help="root:// or https:// URL, or a path")
    parser.add_argument("--start", type=int, default=0, help="first event")
    parser.add_argument("--stop", type=int, default=None, help="event after the last; all unless given")
    parser.add_argument("--out", type=Path, default=None, help="file to write; standard output unless given")
    chosen = parser.parse_args(arguments)
    text = json.dumps(histogram(chosen.url, chosen.vo, chosen.start, chosen.stop))
    if chosen.out:
        chosen.out.write_text(text + "\n")
    else:
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
