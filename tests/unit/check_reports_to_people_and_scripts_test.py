"""`facility check` prints a sentence for each finding and what to do, VO by VO; its exit status is for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facility import cli
from facility.inspection import main
from facility.inspection.finding import Finding, Severity
from facility.inspection.report import Report

DOWN = Finding(Severity.ERROR, "", "Deployment facility/hub", "0 of 1 pods ready", "see its log")
AWAY = Finding(Severity.WARNING, "cms", "issuer", "it does not answer", "look at its health")
GONE = Finding(Severity.NOTE, "atlas", "people", "1 of 2 has no good session (SignInAgain)")
ALL = Report(("atlas", "cms"), (DOWN, GONE, AWAY), ("pods in facility-users: not allowed to read",))


def test_people_read_each_vo_by_itself_with_what_to_do() -> None:
    assert "\n".join(ALL.lines()) == (
        "the facility\n"
        "  error    Deployment facility/hub: 0 of 1 pods ready\n"
        "           → see its log\n"
        "VO atlas: nothing is wrong\n"
        "  note     people: 1 of 2 has no good session (SignInAgain)\n"
        "VO cms\n"
        "  warning  issuer: it does not answer\n"
        "           → look at its health\n"
        "\n"
        "not looked at\n"
        "  pods in facility-users: not allowed to read\n"
        "\n"
        "1 error, 1 warning"
    )


@pytest.mark.parametrize(
    ("findings", "status"), [((), 0), ((GONE,), 0), ((AWAY,), 1), ((DOWN,), 1), ((GONE, AWAY, DOWN), 1)]
)
def test_the_exit_status_is_1_for_errors_and_warnings_and_0_for_notes(
    findings: tuple[Finding, ...], status: int
) -> None:
    assert Report(("cms",), findings, ()).status == status


def test_of_one_vo_its_own_and_what_all_stand_on_is_told() -> None:
    assert ALL.only("cms").findings == (DOWN, AWAY)
    assert ALL.only("atlas").vos == ("atlas",)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The namespaces that were looked at."""
    asked: list[str] = []

    async def look(namespace: str) -> Report:
        asked.append(namespace)
        return ALL

    monkeypatch.setattr(main, "look", look)
    return asked


def test_scripts_read_the_same_as_json(looked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--json", "--namespace", "af", "--vo", "cms"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert looked == ["af"]
    assert found["well"] is False
    assert [(one["severity"], one["vo"]) for one in found["findings"]] == [("error", ""), ("warning", "cms")]
    assert found["unread"] == ["pods in facility-users: not allowed to read"]


def test_a_vo_that_is_not_there_is_a_question_that_makes_no_sense(
    looked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--vo", "csm"]) == 2
    assert "there are: atlas, cms" in capsys.readouterr().err


def test_without_a_cluster_it_says_that_it_could_not_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig")
    )
    assert cli.main(["check"]) == 2
    assert "could not be looked at" in capsys.readouterr().err
