"""An access point that begins anew has the tokens of its running jobs before it can read who has jobs."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from facility.condor.credentials import File
from facility.condor.keeper import LINGER, PERIOD
from facility.condor.remembered import Remembered
from tests.fakes.access_point import AccessPoint, access_point, jobs

ALICE = File("cms_alice", "cms")


@pytest.fixture
def point(tmp_path: Path) -> Iterator[AccessPoint]:
    with access_point(tmp_path) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wanted.json"


def test_names_are_kept_from_one_monitor_to_the_next_and_no_token(path: Path) -> None:
    log: list[str] = []
    Remembered(path, log.append).keep([ALICE, File("cms_bob", "rucio")])
    assert Remembered(path, log.append).files() == {ALICE, File("cms_bob", "rucio")}
    assert path.read_text() == '[["cms_alice", "cms"], ["cms_bob", "rucio"]]\n'
    assert log == []


def test_nothing_is_remembered_at_first(path: Path) -> None:
    log: list[str] = []
    assert Remembered(path, log.append).files() == frozenset()
    assert log == []


@pytest.mark.parametrize("text", ["", "{", "7", '[["cms_alice"]]'])
def test_what_cannot_be_read_is_nothing_and_told(path: Path, text: str) -> None:
    path.write_text(text)
    log: list[str] = []
    assert Remembered(path, log.append).files() == frozenset()
    assert log[0].startswith("wanted.json cannot be read: ")


def test_it_is_written_only_when_others_need_tokens(path: Path) -> None:
    log: list[str] = []
    remembered = Remembered(path, log.append)
    remembered.keep([ALICE])
    path.unlink()
    remembered.keep([ALICE])
    assert not path.exists()
    remembered.keep([])
    assert path.read_text() == "[]\n"


def test_a_volume_that_takes_nothing_is_told_once_and_tried_again(tmp_path: Path) -> None:
    log: list[str] = []
    path = tmp_path / "there" / "wanted.json"
    remembered = Remembered(path, log.append)
    remembered.keep([ALICE])
    remembered.keep([ALICE])
    assert len(log) == 1
    assert log[0].startswith("wanted.json cannot be written: ")
    path.parent.mkdir()
    remembered.keep([ALICE])
    assert Remembered(path, log.append).files() == {ALICE}


def test_their_tokens_are_there_and_stay_good_while_the_queue_cannot_be_read(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.remember([ALICE])
    keeper.renew()
    assert point.there() == [ALICE]
    for _ in range(int(2 * point.broker.life / PERIOD)):
        point.clock.pass_by(PERIOD)
        keeper.renew()
        assert point.files.found()[ALICE] > point.clock.now


def test_they_may_be_the_first_in_the_pod(point: AccessPoint) -> None:
    point.directory.rmdir()
    keeper = point.keeper()
    keeper.remember([ALICE])
    keeper.renew()
    assert point.there() == [ALICE]
    assert stat.S_IMODE(point.directory.stat().st_mode) == 0o700


def test_they_go_a_while_after_the_queue_says_that_no_job_needs_them(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.remember([ALICE])
    keeper.renew()
    keeper.round([jobs("cms_bob", running=1)])
    assert ALICE in point.there()
    point.clock.pass_by(LINGER)
    keeper.round([jobs("cms_bob", running=1)])
    assert point.there() == [File("cms_bob", "cms")]
