"""`facility stage`: what it brings, what it says, and what becomes of it when cache or person interrupt."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from facility.staging import main as command
from facility.staging import run
from facility.staging.cache import Cache
from facility.staging.main import Screen
from facility.staging.plan import File, Progress, State, Word, plan, requests
from facility.staging.run import bring
from facility.staging.where import Place, WhereError, place
from tests.fakes import root_server
from tests.fakes.root_server import RootServer

pytest.importorskip("XRootD")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RootServer]:
    """A cache that has /cms/a (1 byte), /cms/deep/b (2) and /cms/deep/er/c (3)."""
    for name, content in {"a": "1", "deep/b": "22", "deep/er/c": "333"}.items():
        file = tmp_path / "data" / "cms" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    token = tmp_path / "token"
    token.write_text("good")
    token.chmod(0o600)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(token))
    monkeypatch.setattr(command, "_ROUND", 0.0)
    with root_server.serving(tmp_path / "data", token) as served:
        served.good.add("good")
        monkeypatch.setenv("LAKE_ROOT", f"root://localhost:{served.port}/")
        yield served


def asked(server: RootServer) -> list[list[str]]:
    """The paths of each request that was made."""
    return [paths for paths, _ in server.requests.values()]


def test_all_below_a_directory_is_brought(server: RootServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["/cms"]) == 0
    assert asked(server) == [["/cms/a", "/cms/deep/b", "/cms/deep/er/c"]]
    assert capsys.readouterr().out.splitlines()[-1] == "3 of 3 files, 6 bytes of 6 bytes"


def test_a_file_that_is_named_twice_is_brought_once(server: RootServer) -> None:
    assert command.main(["/cms/a", f"root://localhost:{server.port}//cms/a", "/cms/a/"]) == 0
    assert asked(server) == [["/cms/a"]]


def test_the_limit_leaves_files_out_and_says_which(server: RootServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["/cms", "--limit", "3"]) == command.NOT_ALL
    assert asked(server) == [["/cms/a", "/cms/deep/b"]]
    assert "1 more, 3 bytes, are beyond the limit: the first is /cms/deep/er/c" in capsys.readouterr().out


def test_a_dry_run_brings_nothing(server: RootServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["/cms", "--dry-run"]) == 0
    assert asked(server) == []
    assert capsys.readouterr().out == "3 files, 6 bytes\n"


def test_what_is_not_there_is_said_in_the_servers_words(server: RootServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["/cms/none"]) == command.NOT_ALL
    told = f"localhost:{server.port} cannot look at /cms/none: Unable to open /cms/none; no such file or directory\n"
    assert capsys.readouterr().err == told


def test_who_has_no_good_token_is_refused(server: RootServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.good.clear()
    assert command.main(["/cms/a"]) == command.NOT_ALL
    assert "permission denied" in capsys.readouterr().err


def test_a_file_that_cannot_be_brought_does_not_keep_others(
    server: RootServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    gone = tmp_path / "data" / "cms" / "a"

    def removed(self: Cache, path: str) -> Iterator[File]:
        gone.unlink()
        yield from (File("/cms/a", 1), File("/cms/deep/b", 2))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cache, "files", removed)
        assert command.main(["/cms"]) == command.NOT_ALL
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == ["1 of 2 files, 2 bytes of 3 bytes; 1 failed", "  /cms/a: No such file or directory"]


def test_a_cache_that_was_restarted_is_asked_again(server: RootServer) -> None:
    server.forgets.add("request0")
    assert command.main(["/cms"]) == 0
    assert asked(server) == [["/cms/a", "/cms/deep/b", "/cms/deep/er/c"]] * 2


def test_who_waits_for_too_many_files_already_waits_longer(server: RootServer) -> None:
    server.full = 3
    assert command.main(["/cms"]) == 0
    assert len(server.requests) == 1


def test_whoever_stops_it_ends_the_requests_too(
    server: RootServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Screen, "now", stopped)
    assert command.main(["/cms"]) == command.STOPPED
    assert server.cancelled == ["request0"]
    assert "the same command goes on from it" in capsys.readouterr().err


def test_no_more_than_two_requests_run_at_once(server: RootServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_PORTION", 1)
    seen = []
    cache = Cache(f"localhost:{server.port}", lambda host: "good")
    files = tuple(cache.files("/cms"))
    done = bring(cache, files, lambda progress: seen.append(len(server.requests) - len(progress.there)), lambda: None)
    assert max(seen) <= 2
    assert len(done.there) == 3


def test_a_renewed_token_gets_a_login_of_its_own(server: RootServer) -> None:
    tokens = iter(["good", "better"] * 10)
    cache = Cache(f"localhost:{server.port}", lambda host: next(tokens))
    list(cache.files("/cms/a"))
    list(cache.files("/cms/a"))
    users = [user for user, _ in server.logins]
    assert len(set(users)) == 2


@pytest.mark.parametrize("text", ["cms", "/", "", "http://x/y", "root:///cms", "root://cache:1094//", "root://cache"])
def test_what_names_nothing_of_a_lake_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WhereError):
        place(text, {"LAKE_ROOT": "root://xcache-cms:1094/"})
    assert command.main([text]) == command.USAGE
    assert capsys.readouterr().err


def test_where_no_cache_is_known_the_path_has_to_name_one() -> None:
    with pytest.raises(WhereError, match=r"root://CACHE:1094//cms/open"):
        place("/cms/open", {})
    assert place("root://[2001:db8::1]//cms/open", {}) == Place("[2001:db8::1]:1094", "/cms/open")


def test_portions_hold_all_files_once() -> None:
    files = [File(f"/{number}", 1) for number in range(7)]
    assert [len(portion) for portion in requests(files, 3)] == [3, 3, 1]
    assert [file for portion in requests(files, 3) for file in portion] == files


def test_a_limit_of_nothing_chooses_nothing() -> None:
    assert plan([File("/a", 1)], 0).chosen == ()
    assert plan([], None).chosen == ()


def test_a_line_is_written_seldom_where_lines_stay() -> None:
    out, now = io.StringIO(), iter([0.0, 0.0, 10.0, 40.0, 40.0])
    screen = Screen(out, lambda: next(now))
    progress = Progress((File("/a", 1),), {"/a": Word(State.STARTED)})
    for _ in range(3):
        screen.now(progress)
    assert out.getvalue().splitlines() == ["0 of 1 files, 0 bytes of 1 bytes"] * 2
