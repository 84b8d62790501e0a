"""Programs in a pod get tokens from the agent's socket; `oidc-token` and `facility` print them and say what to do."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facility.agent import files, presence
from facility.agent.answers import Answers
from facility.agent.client import ask, status
from facility.agent.keeper import Keeper
from facility.agent.socket import listening
from facility.commands import oidc_token
from facility.exchange import Broker
from tests.fakes.authority import Authority
from tests.fakes.patience import PATIENCE
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving


@dataclass
class Agent:
    """An agent that listens, with a clock that only the test moves."""

    broker: TokenBroker
    directory: Path
    authority: Authority
    identity: Path
    now: float = 1_800_000_000.0

    @property
    def socket(self) -> Path:
        return self.directory / files.SOCKET

    def ask(self, **request: Any) -> dict[str, Any]:
        return ask(self.socket, request)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    directory, identity, authority = tmp_path / "token", tmp_path / "identity", Authority(tmp_path)
    directory.mkdir()
    identity.write_text(IDENTITY)
    with serving(authority, TokenBroker()) as broker:
        made = Agent(broker, directory, authority, identity)
        outside = Broker(broker.url, identity, authority.client, lambda: made.now)
        keeper = Keeper(outside, directory, lambda: made.now, lambda: 1.0)
        keeper.round()
        with listening(made.socket, Answers(outside, keeper, lambda: made.now)):
            yield made


@pytest.fixture
def run(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("AGENT_DIRECTORY", str(agent.directory))
    return lambda *arguments: oidc_token.main(arguments)


def test_only_the_owner_may_connect(agent: Agent) -> None:
    assert stat.S_IMODE(agent.socket.stat().st_mode) == 0o600


def test_without_an_audience_the_first_files_token_is_given_and_nobody_is_asked(agent: Agent) -> None:
    before = len(agent.broker.asked)
    answer = agent.ask()
    assert answer["access_token"] == "token-1.lake.test"
    assert (answer["expires_in"], answer["scope"]) == (60, "storage.read:/open")
    assert len(agent.broker.asked) == before


def test_a_longer_life_than_the_file_has_left_is_asked_for_at_the_broker(agent: Agent) -> None:
    agent.now += 40
    assert agent.ask(time=10)["access_token"] == "token-1.lake.test"
    assert agent.ask(time=50)["access_token"] == "token-3.lake.test"


def test_another_audience_and_scope_go_to_the_broker_as_they_are(agent: Agent) -> None:
    agent.ask(audience="rucio", scope="openid profile")
    assert (agent.broker.asked[-1]["audience"], agent.broker.asked[-1]["scope"]) == ("rucio", "openid profile")


def test_without_a_scope_the_broker_decides(agent: Agent) -> None:
    agent.ask(audience="rucio")
    assert "scope" not in agent.broker.asked[-1]


def test_while_the_broker_is_away_a_file_that_is_still_good_is_given(agent: Agent) -> None:
    agent.broker.refusal = (503, "temporarily_unavailable", "down")
    agent.now += 50
    answer = agent.ask(audience="https://lake.test", time=30)
    assert (answer["access_token"], answer["expires_in"]) == ("token-1.lake.test", 10)


def test_a_refusal_of_the_broker_is_handed_on(agent: Agent) -> None:
    agent.broker.refusal = (400, "invalid_target", "allowed: https://lake.test")
    assert agent.ask(audience="x") == {"error": "invalid_target", "error_description": "allowed: https://lake.test"}


@pytest.mark.parametrize(
    "line", [b"hello\n", b"[]\n", b'{"audience": 3}\n', b'{"time": "soon"}\n', b"\xff\n", b"[" * 60_000 + b"\n"]
)
def test_what_makes_no_sense_is_said_so(agent: Agent, line: bytes) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(agent.socket))
        connection.sendall(line)
        with connection.makefile("rb") as stream:
            assert json.loads(stream.readline())["error"] == "invalid_request"


def test_a_program_that_goes_away_early_does_not_disturb_the_next(agent: Agent) -> None:
    import socket

    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(agent.socket))
            connection.sendall(b'{"audience": "rucio"')
    assert "access_token" in agent.ask()


def test_a_socket_left_by_a_dead_agent_is_not_ready_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    import socket

    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert not presence.listening(str(path))
    with listening(path, lambda request: {"pong": True}):
        assert presence.listening(str(path))
        assert ask(path, {}) == {"pong": True}
    assert not path.exists()


def test_oidc_token_prints_the_token_and_nothing_else(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("cms") == 0
    assert capsys.readouterr() == ("token-1.lake.test\n", "")


def test_oidc_token_knows_the_options_of_oidc_agent(run: Callable[..., int], agent: Agent) -> None:
    assert run("--aud=rucio", "-s", "openid", "--scope", "profile", "--time=30", "cms") == 0
    assert (agent.broker.asked[-1]["audience"], agent.broker.asked[-1]["scope"]) == ("rucio", "openid profile")


def test_oidc_token_says_to_sign_in_again_and_exits_with_one(
    run: Callable[..., int], agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.broker.refusal = (403, "interaction_required", "the session ended; go to https://hub.test")
    assert run("--aud", "rucio") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "sign in again: the session ended; go to https://hub.test (interaction_required)\n"


def test_oidc_token_warns_of_a_shorter_life_than_wished(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-t", "7200") == 0
    assert "good for 60 s only" in capsys.readouterr().err


def test_oidc_token_without_an_agent_says_which_socket_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENT_DIRECTORY", str(tmp_path))
    assert oidc_token.main(["cms"]) == 1
    assert f"no agent answers at {tmp_path}/agent.sock" in capsys.readouterr().err


@dataclass
class Program:
    """The agent as its container runs it."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    def wait_until_ready(self) -> None:
        for _ in range(200):
            if self.ready() == 0:
                return
        raise AssertionError("the agent is not ready")

    def ready(self) -> int:
        command = [sys.executable, "-m", "facility.agent.main", "--ready"]
        return subprocess.run(command, env=self.environment, check=False).returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, Authority], Program]]:
    """Starts the agent as a process of its own, with one variable that names the authority."""
    running: list[subprocess.Popen[str]] = []

    def begin(url: str, authority: Authority) -> Program:
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "identity").write_text(IDENTITY)
        environment = dict(os.environ) | {
            "AGENT_BROKER_URL": url,
            "AGENT_DIRECTORY": str(tmp_path / "run"),
            "AGENT_IDENTITY": str(tmp_path / "identity"),
            "SSL_CERT_FILE": str(authority.bundle),
        }
        command = [sys.executable, "-m", "facility.agent.main"]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return Program(running[-1], environment)

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_the_program_trusts_ssl_cert_file_and_leaves_at_sigterm(
    start: Callable[[str, Authority], Program], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with serving(authority, TokenBroker()) as broker:
        program = start(broker.url, authority)
        program.wait_until_ready()
        assert (tmp_path / "run" / "lake").read_text() == "token-1.lake.test"
        program.process.send_signal(signal.SIGTERM)
        _, log = program.process.communicate(timeout=PATIENCE)
    assert program.process.returncode == 128 + signal.SIGTERM  # with 0 nobody would start it again
    assert log == "agent: lake: good\nagent: compute: good\n"


def test_the_program_is_ready_and_stays_although_the_broker_is_away(
    start: Callable[[str, Authority], Program], tmp_path: Path
) -> None:
    program = start("https://127.0.0.1:1", Authority(tmp_path))
    program.wait_until_ready()
    assert program.process.poll() is None
    assert json.loads((tmp_path / "run" / "status.json").read_text())["broker"]["error"] == "temporarily_unavailable"


def test_the_program_holds_less_than_fifteen_megabytes_of_its_own_and_costs_nothing_while_idle(
    start: Callable[[str, Authority], Program], tmp_path: Path
) -> None:
    """Its user's and kernel's time over some seconds in which nothing is due: less than a thousandth of a core."""
    authority = Authority(tmp_path)
    with serving(authority, TokenBroker(life=3600)) as broker:
        program = start(broker.url, authority)
        program.wait_until_ready()
        assert broker.waiting.wait(PATIENCE)
        process = Path(f"/proc/{program.process.pid}")
        begun, before = time.monotonic(), busy(process)
        time.sleep(4)  # a cost is measured over time that passes
        share = (busy(process) - before) / (time.monotonic() - begun)
        own = next(line for line in (process / "status").read_text().splitlines() if line.startswith("RssAnon"))
        broker.tell(refused=("access_denied", "the end"))  # whoever listens is answered
    assert int(own.split()[1]) < 15 * 1024
    assert share < 0.001


def busy(process: Path) -> float:
    """Seconds that all threads of a process have run (schedstat: nanoseconds on the processor come first)."""
    return sum(int(path.read_text().split()[0]) for path in process.glob("task/*/schedstat")) / 1e9


def test_a_socket_that_was_removed_is_opened_again(start: Callable[[str, Authority], Program], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving(authority, TokenBroker(life=3600)) as broker:
        program = start(broker.url, authority)
        program.wait_until_ready()
        (tmp_path / "run" / files.SOCKET).unlink()
        broker.tell(wanted=broker.wanted[:1])  # news: the agent's next round
        program.wait_until_ready()
        assert ask(tmp_path / "run" / files.SOCKET, {})["access_token"] == "token-1.lake.test"


def test_the_program_leaves_no_core_file(start: Callable[[str, Authority], Program], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving(authority, TokenBroker()) as broker:
        program = start(broker.url, authority)
        program.wait_until_ready()
        limits = Path(f"/proc/{program.process.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6] == [
        "0",
        "0",
    ]


def test_the_status_is_told_by_the_socket_too(agent: Agent) -> None:
    files.write_status(agent.directory, {"updated": "long ago"})
    assert set(status(agent.directory)["files"]) == {"lake", "compute"}
    assert "token-" not in json.dumps(status(agent.directory))


def test_without_an_agent_the_status_is_what_was_written_last(tmp_path: Path) -> None:
    assert status(tmp_path) == {}
    files.write_status(tmp_path, {"updated": "today"})
    assert status(tmp_path) == {"updated": "today"}


def test_more_than_the_broker_gives_is_not_to_be_had_and_the_longest_there_is_is_given(agent: Agent) -> None:
    agent.broker.most = 30
    assert agent.ask(time=3600)["access_token"] == "token-3.lake.test"
    assert [form.get("min_valid") for form in agent.broker.asked[2:]] == ["3600", None]


def test_a_new_token_is_asked_for_with_the_most_that_the_broker_gives(agent: Agent) -> None:
    assert agent.ask(new=True)["access_token"] == "token-3.lake.test"
    assert agent.broker.asked[-1]["min_valid"] == "40"


def test_a_program_asks_how_its_persons_jobs_fare(agent: Agent) -> None:
    agent.broker.jobs = {"user": "cms-alice", "known": True, "waiting": "2 jobs wait: a pod is starting."}
    assert agent.ask(batch=True) == {"batch": agent.broker.jobs}
