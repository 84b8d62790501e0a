"""Programs are run quietly; one that fails shows the end of what it said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from facility.dev.cluster import run
from facility.dev.cluster.__main__ import main
from facility.dev.cluster.problems import ClusterError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACILITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_program_that_works_leaves_no_log(own_cache: Path) -> None:
    run.logged([sys.executable, "-c", "print('fine')"])
    assert list((own_cache / "log").iterdir()) == []


def test_a_program_that_fails_shows_the_last_lines_and_keeps_the_whole_log(own_cache: Path) -> None:
    with pytest.raises(ClusterError, match=r"(?s)failed \(3\).*line 99") as caught:
        run.logged([sys.executable, "-c", "for i in range(100): print('line', i)\nraise SystemExit(3)"])
    assert "line 5\n" not in str(caught.value)
    (log,) = (own_cache / "log").iterdir()
    assert "line 5\n" in log.read_text()


def test_a_program_that_is_asked_for_its_output_is_quoted_when_it_complains() -> None:
    with pytest.raises(ClusterError, match="no such thing"):
        run.output([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_output_that_is_no_text_is_told_as_far_as_it_is() -> None:
    assert (
        run.output([sys.executable, "-c", "import os; os.write(1, b'be\\x80fore')"])
        == "be\N{REPLACEMENT CHARACTER}fore"
    )


def test_a_program_that_is_not_installed_does_not_work() -> None:
    assert not run.works(["no-such-program-anywhere"])


def test_both_ends_of_a_pipe_are_watched() -> None:
    read = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with pytest.raises(ClusterError, match="broken source"):
        run.pipe([sys.executable, "-c", "raise SystemExit('broken source')"], read)


def test_a_source_that_says_much_on_stderr_does_not_stop_the_pipe() -> None:
    talk = [sys.executable, "-c", "import sys; sys.stderr.write('x' * 10**6)"]
    run.pipe(talk, [sys.executable, "-c", "import sys; sys.stdin.read()"])


def test_a_step_tells_its_name_and_its_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with run.step("build etcd"):
        pass
    assert "build etcd: 0 s" in capsys.readouterr().err


def test_the_kubeconfig_is_a_file_of_the_cluster_in_the_cache(
    own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kubeconfig", "--name", "other"]) == 0
    assert capsys.readouterr().out.strip() == str(own_cache / "clusters" / "other.kubeconfig")
