"""What a node does to an agent: disks that are full or gone, files that are changed, clocks that are wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from facility.agent import renewal
from facility.agent.report import report
from facility.agent.state import Moment
from tests.fakes.agent_pod import START, Pod
from tests.fakes.authority import Authority
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving

FIVE_MINUTES = 300.0


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    directory, identity, authority = tmp_path / "token", tmp_path / "identity", Authority(tmp_path)
    directory.mkdir()
    identity.write_text(IDENTITY)
    with serving(authority, TokenBroker(life=3600)) as broker:
        yield Pod(broker, authority, directory, identity)


def mounted(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def memory(pod: Pod) -> Iterator[Path]:
    """The pod's directory as it is in a cluster, only smaller: a tmpfs of sixteen pages."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(pod.directory))
    yield pod.directory
    subprocess.run(["umount", str(pod.directory)], check=True)


def fill(directory: Path) -> Path:
    """A file that takes all that is left."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def test_what_an_agent_was_writing_when_it_was_killed_is_taken_away(pod: Pod) -> None:
    rest = pod.directory / ".lake.4711.new"
    rest.write_text("half of a tok")
    pod.keeper().round()
    assert not rest.exists()
    assert pod.read("lake") == "token-1.lake.test"


def test_on_a_full_disk_the_old_files_stay_and_programs_get_the_new_token_and_the_reason(
    pod: Pod, memory: Path
) -> None:
    keeper = pod.keeper()
    keeper.round()
    filler = fill(memory)
    pod.now += 3500
    assert keeper.round() <= 5
    assert pod.read("lake") == "token-1.lake.test"
    lake = keeper.document()["files"]["lake"]
    assert lake["state"] == "unwritten"
    assert "No space left on device" in lake["error_description"]
    assert keeper.kept[0].token is not None
    assert keeper.kept[0].token.value == "token-3.lake.test"
    assert not list(memory.glob(".*.new"))
    filler.unlink()
    pod.now += 5
    keeper.round()
    assert pod.read("lake") == "token-3.lake.test"
    assert pod.status()["files"]["lake"]["state"] == "good"
    assert "lake: written again" in pod.log


def test_on_a_disk_that_stays_full_no_dead_token_lies_about(pod: Pod, memory: Path) -> None:
    keeper = pod.keeper()
    keeper.round()
    filler = fill(memory)
    pod.now += 3600
    keeper.round()
    fill(memory)
    assert filler.exists()
    assert "token-1" not in "".join(path.read_text() for path in memory.glob("lake"))


def test_what_cannot_be_written_is_tried_without_asking_the_broker_again(pod: Pod, memory: Path) -> None:
    keeper = pod.keeper()
    keeper.round()
    fill(memory)
    pod.now += 3500
    keeper.round()
    asked = len(pod.broker.asked)
    for _ in range(10):
        pod.now += 5
        keeper.round()
    assert len(pod.broker.asked) == asked
    assert len([line for line in pod.log if "No space" in line and "lake" in line]) == 1


def test_a_read_only_directory_is_said_and_got_over(pod: Pod, memory: Path) -> None:
    keeper = pod.keeper()
    keeper.round()
    mounted("-o", "remount,ro", str(memory))
    pod.now += 3500
    keeper.round()
    assert "Read-only file system" in keeper.document()["files"]["lake"]["error_description"]
    assert "status.json cannot be written" in " ".join(pod.log)
    mounted("-o", "remount,rw", str(memory))
    pod.now += 5
    keeper.round()
    assert pod.read("lake") == "token-3.lake.test"
    assert "status.json: written again" in pod.log


def test_a_directory_that_was_removed_is_made_again_with_all_files(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    shutil.rmtree(pod.directory)
    pod.now += 30
    keeper.round()
    assert sorted(path.name for path in pod.directory.iterdir()) == ["compute", "lake", "status.json"]
    assert pod.directory.stat().st_mode & 0o777 == 0o700
    assert len(pod.broker.asked) == 2


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("something else"),
        lambda path: path.chmod(0o644),
        lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    ],
    ids=["removed", "overwritten", "opened to others", "replaced by a link"],
)
def test_a_file_that_somebody_changed_is_put_back_without_asking_the_broker(pod: Pod, harm: object) -> None:
    keeper = pod.keeper()
    keeper.round()
    harm(pod.directory / "lake")  # type: ignore[operator]
    pod.now += 30
    keeper.round()
    assert pod.read("lake") == "token-1.lake.test"
    assert (pod.directory / "lake").lstat().st_mode & 0o170777 == 0o100600
    assert len(pod.broker.asked) == 2


def test_something_that_is_no_file_in_a_files_place_is_said(pod: Pod) -> None:
    (pod.directory / "lake").mkdir()
    keeper = pod.keeper()
    keeper.round()
    assert pod.status()["files"]["lake"]["state"] == "unwritten"
    assert pod.read("compute") == "token-2.cm.test"


@pytest.mark.parametrize("wrong", [-FIVE_MINUTES, FIVE_MINUTES])
def test_a_clock_five_minutes_off_neither_kills_nor_prolongs_a_token_and_is_told(pod: Pod, wrong: float) -> None:
    pod.broker.life = 60
    pod.broker.wall = lambda: START
    keeper = pod.keeper()
    keeper.round()
    pod.wrong = wrong
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    pod.now += 50
    keeper.round()
    assert pod.read("lake") == "token-1.lake.test"
    found = report({}, pod.status(), Moment(pod.now, pod.wall()))
    assert [token.seconds for token in found.tokens] == [10, 10]
    side = "ahead of" if wrong > 0 else "behind"
    assert any(f"clock is 5 min 0 s {side} the broker's" in sentence for sentence in found.trouble)
    pod.now += 10
    keeper.round()
    assert not (pod.directory / "lake").exists()


def test_the_status_tells_ends_by_the_nodes_own_time_of_day(pod: Pod) -> None:
    pod.wrong = FIVE_MINUTES
    pod.broker.wall = lambda: START
    pod.keeper().round()
    told = datetime.fromisoformat(pod.status()["files"]["lake"]["expires"]).timestamp()
    assert told == pytest.approx(START + FIVE_MINUTES + 3600, abs=1)


def test_the_next_agent_is_not_misled_by_a_clock_that_was_set_meanwhile(pod: Pod) -> None:
    pod.keeper().round()
    pod.wrong = 2 * 3600
    pod.broker.refusal = (503, "temporarily_unavailable", "down")
    pod.now += 1800
    successor = pod.keeper()
    successor.round()
    assert pod.read("lake") == "token-1.lake.test"
    assert successor.kept[0].expires == pytest.approx(START + 3600, abs=1)


@pytest.mark.parametrize("found", ["", "two words", None], ids=["empty", "no token", "a directory"])
def test_an_identity_that_cannot_be_used_is_said_and_takes_no_file(pod: Pod, found: str | None) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.identity.unlink()
    pod.identity.mkdir() if found is None else pod.identity.write_text(found)
    pod.now += 60
    keeper.round()
    assert pod.status()["broker"]["error"] == "invalid_client"
    assert "identity" in pod.status()["broker"]["error_description"]
    assert pod.read("lake") == "token-1.lake.test"


def test_an_identity_that_was_rotated_is_the_one_shown(pod: Pod) -> None:
    keeper = pod.keeper()
    pod.identity.write_text("expired.identity")
    keeper.round()
    assert pod.status()["broker"]["error"] == "invalid_client"
    pod.identity.write_text(IDENTITY)
    pod.now += 1
    keeper.round()
    assert pod.status()["broker"] == {}
    assert pod.read("lake") == "token-1.lake.test"


def test_a_long_token_is_renewed_two_minutes_before_its_end_for_longer_than_it_has(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.now = START + 3600 - 131
    keeper.round()
    assert pod.read("lake") == "token-1.lake.test"
    pod.now += 1
    keeper.round()
    assert pod.read("lake") == "token-3.lake.test"
    assert ["min_valid" in form for form in pod.broker.asked] == [False, False, True, True]
    assert pod.broker.asked[2]["min_valid"] == "131"


def test_agents_come_apart_and_ask_after_the_broker_would_renew() -> None:
    factors = {renewal.spread() for _ in range(100)}
    assert len(factors) > 50
    assert 0.8 < min(factors) < max(factors) < 1


def test_a_vo_whose_tokens_became_shorter_is_asked_for_what_there_is(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.broker.most, pod.broker.life = 30, 60
    pod.now = START + 3500
    keeper.round()
    assert pod.read("lake") == "token-3.lake.test"
    assert pod.status()["files"]["lake"]["state"] == "good"


def test_an_issuer_that_is_away_is_told_while_the_token_is_still_good(pod: Pod) -> None:
    keeper = pod.keeper()
    keeper.round()
    pod.now = START + 3500
    pod.broker.last = {"access_token": "token-1.lake.test", "expires_in": 100, "scope": "storage.read:/open"}
    pod.broker.warning = "The issuer of cms does not answer since 12:00:00 UTC."
    assert keeper.round() == pytest.approx(1, abs=0.1)
    lake = pod.status()["files"]["lake"]
    assert (lake["state"], lake["error_description"]) == ("failing", pod.broker.warning)
    assert pod.read("lake") == "token-1.lake.test"
    pod.broker.last = None
    pod.now += 2
    keeper.round()
    assert pod.status()["files"]["lake"]["state"] == "good"
    assert pod.log[-1].endswith("good again")
