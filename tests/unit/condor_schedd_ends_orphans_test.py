"""A schedd that follows another ends the shadows that it has left and waits for tokens, before it begins."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from facility.condor import schedd


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Programs that run under the names of HTCondor's own, and one that is called nearly so."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    with ExitStack() as ends:
        found = {}
        for name in ("condor_shadow", "condor_starter", "condor_shadowy"):
            shutil.copy(sleep, tmp_path / name)
            found[name] = ends.enter_context(subprocess.Popen([tmp_path / name, "60"]))
            ends.callback(found[name].kill)
        while not {one.pid for one in found.values()} <= {int(pid) for pid in os.listdir("/proc") if pid.isdigit()}:
            time.sleep(0.01)
        yield found


def test_shadows_are_found_by_their_name_alone(programs: dict[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    seen = tmp_path / "proc"
    for pid in (str(one.pid) for one in programs.values()):
        (seen / pid).mkdir(parents=True)
        (seen / pid / "comm").write_text(Path(f"/proc/{pid}/comm").read_text())
    (seen / "self").mkdir()
    (seen / "1").mkdir()  # it has ended: its files are gone
    assert list(schedd.orphans(seen)) == [programs["condor_shadow"].pid]


def test_they_are_killed_without_a_word(
    programs: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = programs["condor_shadow"]
    monkeypatch.setattr(schedd, "orphans", lambda: iter([shadow.pid, 2**22 + 1]))  # the other is no process any more
    schedd.end_orphans()
    assert shadow.wait(10) == -9
    assert programs["condor_starter"].poll() is None


class Time:
    """In which the monitor's first round ends after so many seconds."""

    def __init__(self, status: Path, seconds: float) -> None:
        self.now, self._status, self._seconds = 0.0, status, seconds

    def pause(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self._seconds:
            self._status.touch()


def test_it_begins_when_the_credential_monitor_has_had_its_first_round(tmp_path: Path) -> None:
    time = Time(tmp_path / "status", 3.0)
    schedd.await_tokens(tmp_path / "status", lambda: time.now, time.pause)
    assert 3.0 <= time.now < 3.2
    schedd.await_tokens(tmp_path / "status", lambda: time.now, time.pause)
    assert time.now < 3.2


def test_it_begins_without_a_monitor_after_a_while(tmp_path: Path) -> None:
    time = Time(tmp_path / "status", float("inf"))
    schedd.await_tokens(tmp_path / "status", lambda: time.now, time.pause)
    assert schedd.PATIENCE <= time.now < schedd.PATIENCE + 0.2


def test_then_it_is_the_schedd_with_what_the_master_has_told_it(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[tuple[str, tuple[str, ...]]] = []
    monkeypatch.setattr(schedd, "end_orphans", lambda: became.append(("first", ())))
    monkeypatch.setattr(schedd, "await_tokens", lambda: became.append(("then", ())))
    monkeypatch.setattr("sys.argv", ["schedd.py", "-sock", "schedd"])
    monkeypatch.setattr("os.execv", lambda path, words: became.append((path, words)))
    schedd.main()
    assert became == [("first", ()), ("then", ()), ("/usr/sbin/condor_schedd", ("condor_schedd", "-sock", "schedd"))]
