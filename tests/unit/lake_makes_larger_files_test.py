"""Files made for measurements are read by the demo's analysis, are the same each time, and are as many as asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.dev.lake import analysis, made

EVENTS = 60_000  # more than are written at a time


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake") / "cms" / "embargoed"
    made.make(folder, 3, EVENTS)
    return folder


def test_there_are_as_many_as_asked_for_and_nothing_half_written(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == made.names(3)


def test_the_analysis_finds_all_events_and_pairs_in_them(folder: Path) -> None:
    found = analysis.histogram(str(folder / made.names(3)[2]), "cms")
    assert found["events"] == EVENTS
    assert sum(found["counts"]) > EVENTS / 2
    assert sum(1 for count in found["counts"] if count) > 50


def test_parts_of_a_made_file_add_up_to_the_whole(folder: Path) -> None:
    url = str(folder / made.names(1)[0])
    parts = [analysis.histogram(url, "cms", *analysis.part(EVENTS, number, 7)) for number in range(7)]
    assert analysis.merge(parts) == analysis.histogram(url, "cms")


def test_the_same_events_come_out_each_time_and_others_from_another_seed(tmp_path: Path, folder: Path) -> None:
    made.make(tmp_path / "again", 1, EVENTS)
    made.make(tmp_path / "other", 1, EVENTS, seed=2)
    first, again, other = (
        analysis.histogram(str(where / made.names(1)[0]), "cms")
        for where in (folder, tmp_path / "again", tmp_path / "other")
    )
    assert first == again != other


def test_as_a_program_it_says_how_large_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.main([str(tmp_path / "made"), "2", "1000"])
    size = int(capsys.readouterr().out)
    assert [path.stat().st_size for path in sorted((tmp_path / "made").iterdir())] == [size, size]
