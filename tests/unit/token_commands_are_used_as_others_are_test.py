"""`oidc-token` is used as oidc-agent's, `facility get-token` as htgettoken, in a notebook and in a job."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from facility import cli
from facility.agent import files
from facility.agent.socket import listening
from facility.commands import get_token, oidc_token
from facility.commands.asking import Given
from tests.fakes.jwt import token
from tests.fakes.patience import PATIENCE

TOKEN = token()


@dataclass
class Notebook:
    """A pod whose agent gives one token, good for `seconds`, and remembers what it was asked."""

    place: Path
    seconds: int = 600
    refusal: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("status"):
            kept = {"lake": {"audience": "https://lake.test"}, "rucio": {"audience": "rucio"}}
            return {"status": {"files": kept}}
        self.asked.append(request)
        given = {"access_token": TOKEN, "expires_in": self.seconds, "scope": "storage.read:/open"}
        return self.refusal or {**given, "audience": request["audience"] or "https://lake.test"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    (tmp_path / "run").mkdir()
    for name in ("_CONDOR_CREDS", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGENT_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Notebook(tmp_path / "run")
    with listening(made.place / files.SOCKET, made.answer):
        yield made


@pytest.mark.parametrize("words", [["cms"], [], ["https://iam.test/"], ["--name=script", "--seccomp", "cms"]])
def test_the_token_alone_is_printed_and_the_account_means_nothing(
    here: Notebook, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert oidc_token.main(words) == 0
    assert capsys.readouterr() == (f"{TOKEN}\n", "")


def test_audience_scopes_and_time_are_asked_of_the_agent(here: Notebook) -> None:
    words = ["cms", "-s", "storage.read:/a", "--scope", "openid profile", "--aud=rucio fts", "-t", "120", "-f"]
    assert oidc_token.main(words) == 0
    assert here.asked == [
        {"audience": "rucio fts", "scope": "storage.read:/a openid profile", "time": 120, "new": True},
    ]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["-o", "cms"], f"{TOKEN}\n"),
        (["-i", "cms"], "https://iam.test/\n"),
        (["cms", "--issuer"], "https://iam.test/\n"),
        (["-a"], f"{TOKEN}\nhttps://iam.test/\nEND\n"),
        (["-e"], "END\n"),
        (["-oi"], f"OIDC_AT={TOKEN}; export OIDC_AT;\nOIDC_ISS=https://iam.test/; export OIDC_ISS;\n"),
        (["-oTOKEN"], f"TOKEN={TOKEN}; export TOKEN;\n"),
        (["--token=T", "--expires-at"], f"T={TOKEN}; export T;\nOIDC_EXP=END; export OIDC_EXP;\n"),
        (
            ["cms", "-c", "--issuer=ISS"],
            f"OIDC_AT={TOKEN}; export OIDC_AT;\nISS=https://iam.test/; export ISS;\nOIDC_EXP=END; export OIDC_EXP;\n",
        ),
        (["--bearer"], f"Bearer {TOKEN}"),
        (["--auth-header", "cms"], f"Authorization: Bearer {TOKEN}"),
    ],
)
def test_more_is_printed_in_oidc_agents_forms(
    here: Notebook,
    words: list[str],
    printed: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert oidc_token.main(words) == 0
    assert capsys.readouterr().out == printed.replace("END", "1000600")


def test_what_is_exported_can_be_evaluated_by_a_shell(here: Notebook) -> None:
    run = f'eval $({sys.executable} -m facility.commands.oidc_token cms -c); printf %s "$OIDC_AT"'
    assert subprocess.run(["sh", "-c", run], capture_output=True, text=True, check=True).stdout == TOKEN


def test_a_variable_of_no_possible_name_is_refused(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert oidc_token.main(["--token=a;b"]) == 1
    assert capsys.readouterr().out == ""


def test_a_token_in_hand_shows_nothing_of_itself() -> None:
    assert TOKEN not in repr(Given(TOKEN, 60, "openid", "rucio"))


def test_json_has_what_a_token_endpoint_answers(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["token", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "storage.read:/open",
        "audience": "https://lake.test",
        "issuer": "https://iam.test/",
    }


@pytest.mark.parametrize("words", [["--bogus"], ["a", "b"], ["-t", "x"], ["-t"]])
def test_options_that_make_no_sense_end_as_oidc_agents_do(here: Notebook, words: list[str]) -> None:
    """64, as oidc-token 4.2.6 and 5 end (EX_USAGE); `facility token` ends with 2, as all of `facility`."""
    with pytest.raises(SystemExit) as ended:
        oidc_token.main(words)
    assert ended.value.code == 64
    with pytest.raises(SystemExit) as ended:
        cli.main(["token", *words])
    assert ended.value.code == 2


def test_without_a_token_it_ends_with_one_and_a_reason(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    here.refusal = {"error": "interaction_required", "error_description": "The session has ended."}
    assert oidc_token.main(["cms"]) == 1
    assert capsys.readouterr() == ("", "sign in again: The session has ended. (interaction_required)\n")


def test_a_shorter_token_than_wished_is_printed_with_a_word(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert oidc_token.main(["-t", "3600"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{TOKEN}\n", "this token is good for 600 s only; no longer one can be had\n")


def test_a_token_is_asked_for_by_its_name(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["token", "--for", "rucio"]) == 0
    assert here.asked[0]["audience"] == "rucio"
    assert cli.main(["token", "--for", "fts"]) == 1
    assert "there is no token 'fts' here; there are: lake, rucio" in capsys.readouterr().err


def test_get_token_writes_where_discovery_looks_for_it(
    here: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(tmp_path / "bt"))
    assert cli.main(["get-token", "--audience", "rucio", "--scopes", "openid,profile"]) == 0
    assert (tmp_path / "bt").read_text() == TOKEN
    assert stat.S_IMODE((tmp_path / "bt").stat().st_mode) == 0o600
    assert here.asked == [{"audience": "rucio", "scope": "openid profile", "time": 60, "new": False}]
    assert capsys.readouterr().out == f"{tmp_path}/bt is good for 600 s\n"


@pytest.mark.parametrize(
    ("out", "environment", "place"),
    [
        ("f", {"BEARER_TOKEN_FILE": "/b", "XDG_RUNTIME_DIR": "/run"}, "f"),
        ("", {"BEARER_TOKEN_FILE": "/b", "XDG_RUNTIME_DIR": "/run"}, "/b"),
        ("", {"XDG_RUNTIME_DIR": "/run"}, "/run/bt_u1000"),
        ("", {}, "/tmp/bt_u1000"),
    ],
)
def test_the_file_is_the_one_that_htgettoken_would_write(out: str, environment: dict[str, str], place: str) -> None:
    assert get_token.place(out, environment, 1000) == Path(place)


def test_a_file_that_the_agent_keeps_is_left_to_it(
    here: Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = here.place / "lake"
    kept.write_text(TOKEN)
    kept.chmod(0o400)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(kept))
    assert cli.main(["get-token"]) == 0
    assert capsys.readouterr().out == f"{kept} is kept good for you: there is nothing to do\n"
    kept.chmod(0o600)
    kept.write_text(token(aud="another"))
    assert cli.main(["get-token", "-q"]) == 1
    assert "holds another token than that: name a file by -o" in capsys.readouterr().err


@pytest.mark.parametrize("write", ["facility.agent.files.write_token", "facility.laptop.private.write"])
def test_commands_at_once_write_one_file_and_none_fails(write: str, tmp_path: Path) -> None:
    """As scripts do that call `facility get-token` before each piece of work."""
    module, name = write.rsplit(".", 1)
    code = f"from pathlib import Path; from {module} import {name} as write\n"
    code += f"for _ in range(200): write(Path({str(tmp_path / 'bt')!r}), 'x' * 1000)"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [one.wait(PATIENCE) for one in running] == [0] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["bt"]


def test_a_file_that_cannot_be_written_is_said(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["get-token", "-o", "/proc/none/token"]) == 1
    assert "/proc/none/token cannot be written" in capsys.readouterr().err


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job with two tokens, in whose environment a notebook's variables are, too."""
    creds = tmp_path / "creds"
    creds.mkdir()
    (creds / "cms.use").write_text(token(exp=time.time() + 600) + "\n")
    (creds / "rucio.use").write_text(token(aud="rucio", scope="openid profile", exp=time.time() + 600))
    (creds / "broken.use").write_text("not a token")
    monkeypatch.setenv("_CONDOR_CREDS", str(creds))
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(creds / "cms.use"))
    monkeypatch.setenv("AGENT_DIRECTORY", "/run/token")
    monkeypatch.setenv("FACILITY_VO", "cms")
    return creds


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ([], "cms.use"),
        (["--aud", "rucio"], "rucio.use"),
        (["--for", "rucio"], "rucio.use"),
        (["-s", "storage.read:/open/below"], "cms.use"),
        (["-s", "openid"], "rucio.use"),
    ],
)
def test_a_job_has_its_own_files(job: Path, words: list[str], file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert oidc_token.main(words) == 0
    assert capsys.readouterr().out.strip() == (job / file).read_text().strip()


@pytest.mark.parametrize("words", [["--aud", "fts"], ["-s", "storage.read:/embargoed"], ["--for", "fts"]])
def test_a_job_is_told_what_it_has_and_how_to_have_more(
    job: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert oidc_token.main(words) == 1
    said = capsys.readouterr().err
    assert "cms: https://lake.test with storage.read:/open; rucio: rucio with openid profile" in said
    assert "use_oauth_services = NAME" in said


def test_a_jobs_file_is_renewed_by_htcondor_and_left_alone(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (job / "cms.use").read_text()
    assert cli.main(["get-token"]) == 0
    assert "is kept good for you" in capsys.readouterr().out
    assert (job / "cms.use").read_text() == before


def test_a_jobs_status_tells_its_files(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (job / "broken.use").unlink()
    assert cli.main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["audience"]) for one in found["tokens"]] == [
        ("cms", "https://lake.test"),
        ("rucio", "rucio"),
    ]
    (job / "rucio.use").write_text(token(exp=1))
    assert cli.main(["status"]) == 1
    assert "rucio: there is no token now" in capsys.readouterr().out


def test_a_job_without_tokens_is_told_so(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in job.iterdir():
        path.unlink()
    assert cli.main(["status"]) == 1
    assert "this job has no tokens" in capsys.readouterr().out


def test_the_command_in_a_pod_starts_without_what_only_https_needs() -> None:
    """It runs for a moment, again and again, in scripts."""
    code = "import sys, facility.commands.oidc_token; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"ssl", "http.client", "urllib.request", "dataclasses", "facility.laptop", "facility.exchange"}
    assert not heavy & set(loaded)
