"""Between two rounds the agent listens: what its person may no longer have is gone within a moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from facility.agent.keeper import Keeper
from facility.exchange import Broker, BrokerError
from tests.fakes.authority import Authority
from tests.fakes.patience import PATIENCE
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving

SUSPENDED = ("access_denied", "The virtual organization cms is suspended.")
ENDED = ("interaction_required", "The session has ended. Sign in again at https://hub.test")


@dataclass
class Pod:
    """A pod's directory and a keeper whose clock only the test moves."""

    broker: TokenBroker
    directory: Path
    authority: Authority
    now: float = 1_800_000_000.0
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.directory / "identity").write_text(IDENTITY)
        self.outside = Broker(self.broker.url, self.directory / "identity", self.authority.client, lambda: self.now)
        self.keeper = Keeper(self.outside, self.directory, lambda: self.now, lambda: 1.0, self.log.append)

    def there(self) -> list[str]:
        """Names of the token files."""
        return sorted(path.name for path in self.directory.iterdir() if path.name in ("lake", "compute"))

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "status.json").read_text())
        return found

    def hear(self, pause: float = 30.0, /, **changes: Any) -> float:
        """Listens while the broker changes its mind; what `listen` says then."""
        teller = threading.Thread(target=lambda: (self.broker.waiting.wait(PATIENCE), self.broker.tell(**changes)))
        self.broker.waiting.clear()
        teller.start()
        rest = self.keeper.listen(pause)
        teller.join()
        return rest


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    authority = Authority(tmp_path)
    directory = tmp_path / "token"
    directory.mkdir()
    with serving(authority, TokenBroker(life=3600)) as broker:
        yield Pod(broker, directory, authority)


@pytest.mark.parametrize("refused", [SUSPENDED, ENDED])
def test_a_refusal_takes_all_files_away_while_the_agent_listens(pod: Pod, refused: tuple[str, str]) -> None:
    pod.keeper.round()
    assert pod.there() == ["compute", "lake"]
    assert pod.hear(refused=refused) == 0
    assert pod.there() == []
    pod.keeper.round()
    for one in pod.status()["files"].values():
        assert (one["state"], one["error"], one["error_description"]) == ("missing", *refused)
    assert pod.status()["broker"]["error_description"] == refused[1]


def test_while_all_is_refused_no_token_is_asked_for(pod: Pod) -> None:
    pod.keeper.round()
    pod.hear(refused=SUSPENDED)
    asked = len(pod.broker.asked)
    for _ in range(10):
        pod.now += pod.keeper.round()
    assert len(pod.broker.asked) == asked


def test_once_it_is_no_longer_refused_the_files_are_back_at_once(pod: Pod) -> None:
    pod.keeper.round()
    pod.hear(refused=SUSPENDED)
    pod.keeper.round()
    pod.now += 1
    pod.hear(refused=None)
    pod.keeper.round()
    assert pod.there() == ["compute", "lake"]
    assert pod.status()["broker"] == {}
    assert pod.log[-2:] == ["lake: good again", "compute: good again"]


def test_an_agent_that_starts_while_all_is_refused_says_why_and_has_no_file_of_its_predecessor(pod: Pod) -> None:
    pod.keeper.round()
    pod.broker.refused = SUSPENDED
    successor = Keeper(pod.outside, pod.directory, lambda: pod.now, lambda: 1.0)
    successor.round()
    assert pod.there() == []
    assert pod.status()["files"]["lake"]["error_description"] == SUSPENDED[1]


def test_a_pod_that_the_broker_no_longer_knows_keeps_no_files(pod: Pod) -> None:
    pod.keeper.round()
    pod.broker.raw = json.dumps(
        {"files": [], "refused": {"error": "access_denied", "error_description": "no VO"}}
    ).encode()
    pod.now += 60
    pod.keeper.round()
    assert pod.there() == []
    assert pod.status()["files"] == {}
    assert pod.status()["broker"] == {"error": "access_denied", "error_description": "no VO"}


def test_a_new_file_is_written_when_it_is_heard_of(pod: Pod) -> None:
    pod.keeper.round()
    pod.hear(wanted=[*pod.broker.wanted, {"name": "lake2", "audience": "https://other.test", "scope": ""}])
    pod.keeper.round()
    assert (pod.directory / "lake2").read_text().endswith("other.test")


@pytest.mark.parametrize(("pause", "wait"), [(7.0, 7.0), (3000.0, 50.0)])
def test_listening_ends_when_something_is_due_and_in_time_for_the_list(pod: Pod, pause: float, wait: float) -> None:
    pod.keeper.round()
    pod.hear(pause, refused=SUSPENDED)
    assert pod.broker.waits == [wait]


def test_news_without_end_are_heard_of_once_a_second(pod: Pod) -> None:
    pod.keeper.round()
    pod.hear(refused=SUSPENDED)
    lists = pod.broker.lists
    assert pod.keeper.listen(30) == pytest.approx(1)
    assert pod.broker.lists == lists


def test_the_broker_is_left_alone_for_as_long_as_it_says(pod: Pod) -> None:
    pod.keeper.round()
    pod.hear(refused=ENDED, again=20.0)
    lists = pod.broker.lists
    assert pod.keeper.listen(60) == pytest.approx(20)
    assert pod.broker.lists == lists
    pod.now += 20
    pod.broker.again = 0.0
    pod.hear(refused=None)
    assert pod.broker.lists == lists + 1


def test_a_broker_that_is_away_takes_no_file_and_is_not_listened_to(pod: Pod) -> None:
    pod.keeper.round()
    pod.broker.raw = b"gone"
    assert pod.keeper.listen(30) == 0
    assert pod.there() == ["compute", "lake"]
    pause = pod.keeper.round()
    assert pause == pytest.approx(1)
    assert pod.keeper.listen(pause) == pause
    assert pod.status()["files"]["lake"]["state"] == "good"


def test_a_broker_that_says_no_state_is_asked_each_minute_as_ever(pod: Pod) -> None:
    pod.broker.raw = json.dumps({"files": []}).encode()
    pause = pod.keeper.round()
    assert pause == pytest.approx(60)
    assert pod.keeper.listen(pause) == pause


@pytest.mark.parametrize(
    "answer", [{"files": [], "state": 3}, {"files": [], "state": "s", "again": "soon"}, {"files": 1}]
)
def test_a_list_that_makes_no_sense_changes_nothing(pod: Pod, answer: dict[str, Any]) -> None:
    pod.keeper.round()
    pod.broker.raw = json.dumps(answer).encode()
    pod.now += 60
    pod.keeper.round()
    assert pod.status()["broker"]["error"] == "server_error"
    assert pod.there() == ["compute", "lake"]


def test_who_has_hung_up_is_not_held_back_any_more(pod: Pod) -> None:
    """The signal may come in any moment: also just before there is a connection to be cut."""
    pod.keeper.round()
    pod.outside.hang_up()
    with pytest.raises(BrokerError, match="nobody listens any more"):
        pod.outside.wanted(pod.outside.wanted().state, wait=60)
    assert pod.outside.token("https://lake.test").value


def test_an_agent_that_listens_ends_at_once_when_it_is_told_to(pod: Pod) -> None:
    environment = {
        **os.environ,
        "AGENT_BROKER_URL": pod.broker.url,
        "AGENT_IDENTITY": str(pod.directory / "identity"),
        "AGENT_DIRECTORY": str(pod.directory),
        "SSL_CERT_FILE": str(pod.authority.bundle),
    }
    command = [sys.executable, "-m", "facility.agent.main"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as agent:
        assert pod.broker.waiting.wait(PATIENCE)
        agent.send_signal(signal.SIGTERM)
        _, said = agent.communicate(timeout=PATIENCE)
    assert agent.returncode == 128 + signal.SIGTERM
    assert said == "agent: lake: good\nagent: compute: good\n"
    assert not (pod.directory / "agent.sock").exists()
