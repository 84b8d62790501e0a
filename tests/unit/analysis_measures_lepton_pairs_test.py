"""The demo's analysis finds the right masses, its parts add up to the whole, and it is one file that can be shipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from facility.dev.lake import analysis

#: per event: (pt, eta, phi, charge) of each lepton; masses of the pairs follow from them
EVENTS = [
    [(45.6, 0.0, 0.0, 1), (45.6, 0.0, np.pi, -1)],  # back to back: 91.2 GeV
    [(45.6, 0.0, 0.0, 1), (45.6, 0.0, np.pi, 1)],  # same charge: no pair
    [],
    [(10.0, 0.0, 0.0, -1)],
    [(10.0, 0.0, 0.0, -1), (10.0, 0.0, np.pi, 1), (5.0, 0.0, np.pi, 1)],  # 20 and sqrt(200) GeV
    [(100.0, 0.0, 0.0, 1), (100.0, 0.0, np.pi, -1)],  # 200 GeV: above the range
]


def write(path: Path, vo: str) -> str:
    """A small file in the format of a VO's experiment."""
    leptons = analysis.FORMATS[vo]
    columns = ak.Array([[dict(zip(("pt", "eta", "phi", "q"), one, strict=True)) for one in event] for event in EVENTS])
    energy = 1.0 / leptons.gev
    content = {
        leptons.pt: ak.values_astype(columns.pt * energy, np.float32),
        leptons.eta: ak.values_astype(columns.eta, np.float32),
        leptons.phi: ak.values_astype(columns.phi, np.float32),
        leptons.mass: ak.values_astype(columns.pt * 0.0, np.float32),
        leptons.charge: ak.values_astype(columns.q, np.int32),
    }
    with uproot.recreate(path) as file:
        tree = file.mktree(leptons.tree, {name: column.type.content for name, column in content.items()})
        tree.extend(content)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("lake")
    return {vo: write(directory / f"{vo}.root", vo) for vo in ("cms", "atlas")}


@pytest.mark.parametrize("vo", ["cms", "atlas"])
def test_pairs_of_opposite_charge_are_found_in_gev(files: dict[str, str], vo: str) -> None:
    found = analysis.histogram(files[vo], vo)
    assert (found["counts"][45], found["counts"][7]) == (1, 1)
    assert (sum(found["counts"]), found["above"], found["events"]) == (3, 1, len(EVENTS))
    assert found["unit"] == "GeV"


@pytest.mark.parametrize("vo", ["cms", "atlas"])
@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_merged_parts_equal_the_whole(files: dict[str, str], vo: str, count: int) -> None:
    total = analysis.entries(files[vo], vo)
    parts = [analysis.histogram(files[vo], vo, *analysis.part(total, n, count)) for n in range(count)]
    assert analysis.merge(parts) == analysis.histogram(files[vo], vo)


def test_a_histogram_survives_json_exactly(files: dict[str, str]) -> None:
    found = analysis.histogram(files["cms"], "cms")
    assert json.loads(json.dumps(found)) == found


def test_parts_cover_all_events_once() -> None:
    parts = [analysis.part(41, n, 4) for n in range(4)]
    assert [event for start, stop in parts for event in range(start, stop)] == list(range(41))


def test_a_part_without_pairs_is_an_empty_histogram(files: dict[str, str]) -> None:
    found = analysis.histogram(files["cms"], "cms", 2, 4)
    assert (sum(found["counts"]), found["events"]) == (0, 2)


def test_histograms_of_different_kinds_are_not_merged(files: dict[str, str]) -> None:
    kinds = [analysis.histogram(files[vo], vo) for vo in ("cms", "atlas")]
    with pytest.raises(ValueError, match="not of one kind"):
        analysis.merge(kinds)
    with pytest.raises(ValueError, match="nothing to merge"):
        analysis.merge([])


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone\.root"):
        analysis.histogram(str(tmp_path / "gone.root"), "cms")


def test_a_picture_is_drawn_without_a_display(files: dict[str, str], tmp_path: Path) -> None:
    picture = tmp_path / "histogram.png"
    analysis.draw(analysis.histogram(files["cms"], "cms"), picture, title="two muons")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_file_alone_is_a_program(files: dict[str, str], tmp_path: Path) -> None:
    shipped = tmp_path / "analysis.py"
    shipped.write_text(Path(analysis.__file__).read_text())
    out = tmp_path / "part.json"
    arguments = ["--vo", "cms", "--url", files["cms"], "--start", "0", "--stop", "2", "--out", str(out)]
    subprocess.run([sys.executable, "-I", str(shipped), *arguments], check=True, cwd=tmp_path)
    found: dict[str, Any] = json.loads(out.read_text())
    assert found == analysis.histogram(files["cms"], "cms", 0, 2)
