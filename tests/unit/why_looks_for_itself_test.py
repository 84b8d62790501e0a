"""`facility why` looks at what is really there: token files, the agent, a real https server in the cache's place."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from facility import cli
from facility.agent import files
from facility.agent.socket import listening
from facility.why import ask, gather, main
from facility.why.facts import Address
from facility.why.gather import Around
from tests.fakes import https_files
from tests.fakes.authority import Authority
from tests.fakes.https_files import HttpsFiles
from tests.fakes.jwt import token
from tests.fakes.machine import machine

PATH = "/cms/open/x"
TOKEN = token(exp=time.time() + 86400)  # made as tests are collected, which may be long before this one runs


@dataclass
class Notebook:
    """A notebook whose cache is a real https server, with an agent that knows what policy allows."""

    cache: HttpsFiles
    authority: Authority
    place: Path
    troubles: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("status"):
            lake = {"audience": "https://lake.test", "scope": "storage.read:/open", "seconds": 600, **self.troubles}
            return {"status": {"updated": "", "clock": {"ahead": 0}, "broker": {}, "files": {"lake": lake}}}
        self.asked.append(request)
        return {"error": "invalid_scope", "error_description": "not allowed; allowed: storage.read:/open"}

    def why(self, url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        done = cli.main(["why", url])
        return done, capsys.readouterr().out


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    authority = Authority(tmp_path)
    place = tmp_path / "run"
    place.mkdir()
    files.write_token(place / "lake", TOKEN)
    given = {
        "AGENT_DIRECTORY": str(place),
        "BEARER_TOKEN_FILE": str(place / "lake"),
        "FACILITY_VO": "cms",
        "FACILITY_USER": "cms-alice",
        "LAKE_HOSTS": "localhost",
        "LAKE_PREFIXES": "/cms",
        "LAKE_BASES": "/cms",
        "LAKE_ORIGINS": "https://se.example.org:8443",
        "SSL_CERT_FILE": str(authority.bundle),
    }
    for name in ("BEARER_TOKEN", "_CONDOR_CREDS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with https_files.serving(authority) as cache:
        cache.answers[PATH] = 206, b"e"
        made = Notebook(cache, authority, place)
        with listening(place / files.SOCKET, made.answer):
            yield made


def test_a_file_that_can_be_read_is_read_with_the_token_of_discovery(
    here: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 0
    assert out.startswith(f"You can read {here.cache.url}{PATH}.\n")
    assert f"Your token is from BEARER_TOKEN_FILE, {here.place}/lake." in out
    assert here.cache.seen == [(PATH, f"Bearer {TOKEN}")]
    assert TOKEN not in out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, b"Unable to open /cms/open/x; permission denied\n"), "refuses it (403 Forbidden: Unable to open"),
        ((404, b""), "the origin has no /cms/open/x (404 Not Found)"),
        ((502, b"<html>bad\x1b[31m"), "it or the lake's origin fails (502 Bad Gateway: <html>bad [31m)"),
        ((401, b""), "does not accept your token (401 Unauthorized)"),
    ],
)
def test_what_the_cache_answers_is_told_apart(
    here: Notebook, answer: tuple[int, bytes], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here.cache.answers[PATH] = answer
    code, out = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 1
    assert out.startswith("You cannot read")
    assert words in out


def test_a_scope_that_is_missing_is_asked_of_the_broker(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    here.cache.answers["/cms/embargoed/x"] = 403, b""
    code, out = here.why(f"{here.cache.url}/cms/embargoed/x", capsys)
    assert code == 1
    assert here.asked == [
        {"audience": "https://lake.test", "scope": "storage.read:/embargoed/x", "time": 1, "new": False}
    ]
    assert "cms does not give it to you: not allowed; allowed: storage.read:/open (invalid_scope)" in out
    assert "To do: Ask cms for the right to read /cms/embargoed/x." in out


def test_another_host_never_sees_the_token(
    here: Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKE_HOSTS", "xcache-cms.facility.svc")
    code, out = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 1
    assert here.cache.seen == []
    assert "so your token stays here" in out


def test_a_redirect_is_not_followed_with_the_token(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    here.cache.answers[PATH] = 302, f"{here.cache.url}/elsewhere".encode()
    code, _ = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 1
    assert [path for path, _ in here.cache.seen] == [PATH]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        ("two words", "holds no bearer token"),
        ("not-a-jwt", "holds something else: the token is not a JWT"),
    ],
)
def test_a_token_file_that_is_none_is_named(
    here: Notebook, content: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.place / "lake").unlink()
    if content:
        (here.place / "lake").write_text(content)
    code, out = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 1
    assert words in out
    assert here.cache.seen == []


def test_what_the_agent_says_is_told(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    here.troubles = {"error": "interaction_required", "error_description": "The session has ended.", "seconds": 0}
    (here.place / "lake").unlink()
    code, out = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 1
    assert "The agent says: lake: sign in again: The session has ended. (interaction_required)" in out
    assert out.endswith("To do: Sign in again at the hub.\n")


def test_a_file_that_others_may_read_is_told_for_root_only(here: Notebook) -> None:
    (here.place / "lake").chmod(0o644)
    around = Around(dict(os.environ), 0, lambda where, value, trust: ask.Answer("read"))
    assert gather.gather("/cms/open/x", around).token.open
    assert gather.gather("/cms/open/x", around).address.host == "localhost"


def test_a_cache_of_another_authority_is_told_apart(
    here: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "other").bundle))
    code, out = here.why(f"{here.cache.url}{PATH}", capsys)
    assert code == 1
    assert "The certificate of localhost is not trusted here" in out
    assert "To do: Let SSL_CERT_FILE name the facility's CA bundle." in out


def test_a_cache_that_is_away_is_told(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = here.why("https://localhost:1/cms/open/x", capsys)
    assert code == 1
    assert "localhost:1 cannot be reached" in out


def test_the_same_as_json(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", "--json", f"{here.cache.url}{PATH}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["readable"] is True
    assert found["todo"] == []
    assert len(found["sentences"]) == 5


def test_what_is_no_url_of_a_file_ends_with_two(here: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", "ftp://x/y"]) == main.USAGE
    assert "'ftp://x/y' is no file of a lake" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "text", "outcome"),
    [
        (3010, "[ERROR] Server responded with an error: [3010] Unable to open /x; permission denied", "refused"),
        (3011, "[ERROR] Server responded with an error: [3011] No such file or directory", "missing"),
        (3005, "[ERROR] Server responded with an error: [3010] Opening path '/x' is disallowed.", "not exported"),
        (3012, "[ERROR] Server responded with an error: [3012] Internal error", "trouble"),
        (0, "[FATAL] Auth failed: No protocols left to try", "refused login"),
        (0, "[FATAL] Login failed: Got invalid login response.", "tls"),
        (0, "[FATAL] TLS error", "tls"),
        (0, "[ERROR] Operation expired", "late"),
        (0, "[FATAL] Connection error", "unreachable"),
        (0, "[FATAL] Invalid address", "unreachable"),
    ],
)
def test_what_xrootds_client_says_is_told_apart(number: int, text: str, outcome: str) -> None:
    assert ask.by_message(number, text).outcome == outcome


def test_over_root_a_host_without_a_name_is_told_at_once() -> None:
    answer = ask.root(Address("u", "root", "no-such-host.invalid", 1094, "/x"), TOKEN)
    assert answer is not None
    assert answer.outcome == "unreachable"


def test_without_xrootds_client_the_cache_is_asked_over_https(here: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "XRootD.client", None)
    where = Address("u", "root", "localhost", here.cache.port, PATH)
    assert gather.tried(where, TOKEN).outcome == "read"


def test_an_authority_that_the_hub_has_told_of_is_trusted_for_the_read(
    here: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = Address("u", "https", "localhost", here.cache.port, PATH)
    told = Path(os.environ["SSL_CERT_FILE"]).read_text()
    monkeypatch.delenv("SSL_CERT_FILE")
    assert gather.tried(where, TOKEN).outcome == "tls"
    assert gather.tried(where, TOKEN, told).outcome == "read"


def test_on_a_persons_own_machine_the_session_knows_lakes_issuer_and_grants(tmp_path: Path) -> None:
    with machine(tmp_path) as made:
        made.sign_in()
        own = token(iss=f"{made.iam.url}/", aud="https://lake.test:1094", scope="storage.read:/open")
        (tmp_path / "bt").write_text(own)
        environment = {"XDG_STATE_HOME": str(made.directory), "BEARER_TOKEN_FILE": str(tmp_path / "bt")}
        around = Around(environment, 0, lambda where, value, trust: ask.Answer("refused"), lambda: 1_800_000_000.0)
        found = gather.gather("/iam/embargoed/x", around)
        assert found.place.vo == "iam"
        assert found.place.issuer == f"{made.iam.url}/"
        assert found.address.host.startswith("xcache-iam.")
        assert found.policy == ""
        assert gather.gather("/iam/open/x", around).policy is None
