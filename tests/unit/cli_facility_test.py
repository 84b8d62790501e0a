"""`facility status` tells a person who they are and what is good; `facility token` prints a token."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from facility import cli
from facility.agent import files
from facility.agent.socket import listening
from facility.agent.state import Kept, Problem, document
from facility.exchange import Wanted

NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
LAKE = Wanted("lake", "https://origin.test:1094", "storage.read:/open")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("FACILITY_USER", "cms-alice")
    monkeypatch.setenv("FACILITY_VO", "cms")
    return tmp_path


def write(place: Path, kept: Kept, problem: Problem | None = None) -> None:
    files.write_status(place, document(NOW.timestamp(), place, (kept,), problem))


def test_status_says_who_you_are_and_how_long_each_token_is_good(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, Kept(LAKE, NOW.timestamp() + 95, "storage.read:/open"))
    assert cli.status(place, NOW) == 0
    out = capsys.readouterr().out
    assert "user  cms-alice\nVO    cms\n" in out
    assert "good for 1 min 35 s" in out
    assert f"{place}/lake  https://origin.test:1094  storage.read:/open" in out
    assert out.endswith("all is well\n")


def test_status_says_to_sign_in_again_where_that_is_what_helps(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, Kept(LAKE, problem=Problem("interaction_required", "go to https://hub.test")))
    assert cli.status(place, NOW) == 1
    out = capsys.readouterr().out
    assert "no token" in out
    assert "lake: sign in again: go to https://hub.test (interaction_required)" in out


def test_status_says_that_the_broker_is_away(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, Kept(LAKE, NOW.timestamp() + 5), Problem("temporarily_unavailable", "the broker cannot be reached"))
    assert cli.status(place, NOW) == 1
    assert "the broker cannot be reached" in capsys.readouterr().out


def test_status_before_the_agent_has_written_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 1
    assert "status.json" in capsys.readouterr().err


def test_token_prints_what_the_agent_gives_for_audience_scope_and_time(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def answer(request: dict[str, object]) -> dict[str, object]:
        asked.append(request)
        return {"access_token": "a.b.c", "expires_in": 60}

    with listening(place / files.SOCKET, answer):
        assert cli.main(["token", "--audience", "rucio", "--scope", "openid", "--time", "30"]) == 0
    assert capsys.readouterr().out == "a.b.c\n"
    assert asked == [{"audience": "rucio", "scope": "openid", "time": 30}]
