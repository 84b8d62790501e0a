"""HTCondor is told when its files change: once for each change, and again when telling failed."""

from __future__ import annotations

from pathlib import Path

from facility.condor.reconfigure import Reconfigure


def told(tmp_path: Path) -> int:
    log = tmp_path / "told"
    return len(log.read_text().splitlines()) if log.exists() else 0


def watch(tmp_path: Path, log: list[str], *files: Path) -> Reconfigure:
    command = ("/bin/sh", "-c", f"test ! -e {tmp_path}/broken && echo told >> {tmp_path}/told || ! echo no master >&2")
    return Reconfigure(files, command, log.append)


def test_it_is_told_at_the_beginning_and_then_only_of_changes(tmp_path: Path) -> None:
    mapfile = tmp_path / "mapfile"
    mapfile.write_text("one")
    log: list[str] = []
    one = watch(tmp_path, log, mapfile)
    for _ in range(3):
        one.look()
    assert told(tmp_path) == 1
    mapfile.write_text("two")
    one.look()
    one.look()
    assert told(tmp_path) == 2


def test_when_telling_fails_it_is_tried_again_and_said_once(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    log: list[str] = []
    one = watch(tmp_path, log, tmp_path / "mapfile")
    for _ in range(3):
        one.look()
    assert log == ["condor_reconfig failed: no master"]
    (tmp_path / "broken").unlink()
    one.look()
    assert told(tmp_path) == 1
    assert one.problem == ""


def test_a_missing_program_is_a_problem_and_not_an_end() -> None:
    one = Reconfigure((), ("/nonexistent/condor_reconfig",), lambda text: None)
    one.look()
    assert "No such file" in one.problem
