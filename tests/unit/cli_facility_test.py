"""`facility status` tells a person who they are and what is good, `token` prints a token, `render` prints manifests."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from facility import cli
from facility.agent import files
from facility.agent.clock import steady
from facility.agent.socket import listening
from facility.agent.state import Kept, Moment, Problem, document
from facility.exchange import Token, Wanted
from tests.fakes.operator_world import SITE, vo

LAKE = Wanted("lake", "https://origin.test:1094", "storage.read:/open")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("FACILITY_USER", "cms-alice")
    monkeypatch.setenv("FACILITY_VO", "cms")
    return tmp_path


def write(place: Path, kept: Kept, problem: Problem | None = None) -> None:
    files.write_status(place, document(Moment(steady(), time.time()), place, (kept,), problem))


def good(seconds: float) -> Kept:
    """A file whose token is good for so long from now on."""
    return Kept(LAKE, Token("a.b.c", steady() + seconds + 0.9, "storage.read:/open"))


def test_status_says_who_you_are_and_how_long_each_token_is_good(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, good(95))
    assert cli.main(["status"]) == 0
    out = capsys.readouterr().out
    assert "user   cms-alice\nVO     cms\n" in out
    assert "good for 1 min 35 s" in out
    assert f"{place}/lake  https://origin.test:1094  storage.read:/open" in out
    assert out.endswith("all is well\n")


def test_status_says_to_sign_in_again_where_that_is_what_helps(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, Kept(LAKE, problem=Problem("interaction_required", "go to https://hub.test")))
    assert cli.main(["status"]) == 1
    out = capsys.readouterr().out
    assert "no token" in out
    assert "lake: sign in again: go to https://hub.test (interaction_required)" in out


def test_status_says_that_the_broker_is_away(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, good(5), Problem("temporarily_unavailable", "the broker cannot be reached"))
    assert cli.main(["status"]) == 1
    assert "the broker cannot be reached" in capsys.readouterr().out


def test_status_before_the_agent_has_written_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 1
    assert "no agent has written" in capsys.readouterr().out


def test_status_shows_the_lakes_and_the_link_for_signing_in_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKE_ROOT", "root://xcache-cms:1094/")
    monkeypatch.setenv("LAKE_HTTPS", "https://xcache-cms:1094")
    monkeypatch.setenv("LAKE_PREFIXES", "/cms /cms-open")
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_HUB_URL", "https://hub.test/hub/")
    write(place, Kept(LAKE, problem=Problem("interaction_required", "the session has ended")))
    cli.main(["status"])
    out = capsys.readouterr().out
    assert "/cms       root://xcache-cms:1094//cms  https://xcache-cms:1094/cms\n" in out
    assert "/cms-open  root://xcache-cms:1094//cms-open" in out
    assert out.endswith("sign in again: https://hub.test/hub/oauth/cms/login\n")


def test_status_as_json_has_the_same_facts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, good(95))
    assert cli.main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["user"], found["vo"], found["trouble"]) == ("cms-alice", "cms", [])
    assert [(one["name"], one["seconds"]) for one in found["tokens"]] == [("lake", 95)]


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
    assert asked == [{"audience": "rucio", "scope": "openid", "time": 30, "new": False}]


def test_render_prints_what_the_operator_would_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vo.yaml").write_text(yaml.safe_dump(vo("cms")))
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(SITE.model_dump(by_alias=True)))
    assert cli.main(["render", "-f", str(tmp_path / "vo.yaml"), "--site", str(tmp_path / "site.yaml")]) == 0
    assert "xcache-cms" in capsys.readouterr().out


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Python code in an image without the operator and without its libraries."""
    hide = "import sys; sys.modules.update(dict.fromkeys(('facility.operator', 'pydantic', 'yaml'))); "
    return subprocess.run([sys.executable, "-c", hide + code], capture_output=True, text=True, check=False)


def test_without_the_operator_render_says_where_it_is_and_all_else_works() -> None:
    refused = run("from facility import cli; sys.exit(cli.main(['render', '-f', 'vo.yaml']))")
    assert refused.returncode == 2
    assert "use the operator's image" in refused.stderr
    assert run("from facility import cli; cli.main(['--help'])").returncode == 0
