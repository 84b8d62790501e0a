"""`facility render` prints what the operator would write, from files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from facility.operator import render
from facility.operator.objects import Manifest
from tests.fakes.operator_world import SITE, vo


class Shell:
    """A person at a shell, with a file of the site's settings."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory, self.capture = directory, capture
        self.status = 0
        (directory / "site.yaml").write_text(yaml.safe_dump(SITE.model_dump(by_alias=True)))

    def render(self, *documents: Any) -> tuple[str, str]:
        """Standard output and error."""
        file = self.directory / "vo.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        self.status = render.main(["-f", str(file), "--site", str(self.directory / "site.yaml")])
        printed = self.capture.readouterr()
        return printed.out, printed.err


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def names(text: str) -> list[tuple[str, str]]:
    return [(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(text)]


def test_the_manifests_of_vos_are_printed_as_yaml(shell: Shell) -> None:
    limited = vo("cms", limits={"total": {"cpu": "64"}})
    printed, told = shell.render(limited, vo("atlas", "https://atlas.example.org"))
    found = names(printed)
    assert {("StatefulSet", "xcache-cms"), ("StatefulSet", "ap-atlas"), ("ConfigMap", "cm-config")} <= set(found)
    assert {("PriorityClass", "facility-vo-cms"), ("ResourceQuota", "vo-cms")} <= set(found)
    assert found.count(("ResourceQuota", "vo-cms")) == 2
    assert (shell.status, told) == (0, "")


def test_a_suspended_vo_is_printed_closed(shell: Shell) -> None:
    printed, _ = shell.render(vo("cms", suspended=True))
    made = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(printed)}
    assert made["StatefulSet", "xcache-cms"]["spec"]["replicas"] == 0
    assert "SYSTEM_PERIODIC_HOLD" in made["ConfigMap", "ap-cms-config"]["data"]["condor_config"]


def test_hosts_that_are_not_looked_up_are_told_in_a_comment(shell: Shell) -> None:
    printed, _ = shell.render(vo("cms", network={"allow": [{"host": "db.example.org"}, {"cidr": "192.0.2.0/24"}]}))
    first = printed.splitlines()[0]
    assert first.startswith("# cms: ")
    assert "db.example.org" in first
    assert "192.0.2.0/24" in printed


def unnamed() -> Manifest:
    manifest = vo("cms")
    del manifest["metadata"]["name"]
    return manifest


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([vo("cms", "http://iam.example.org")], "cms: BadSpec: issuer: "),
        ([vo("c-ms")], "c-ms: BadName: "),
        ([vo("cms"), vo("copy", created=2)], "copy: IssuerTaken: "),
        (
            [vo("cms", lakes=[{"prefix": "/a b", "origin": "https://o", "audience": "a", "scopes": ["s"]}])],
            "prefix '/a b'",
        ),
        ([{"kind": "ConfigMap", "metadata": {"name": "a"}}], "not a VirtualOrganization"),
        ([["a"]], "not a VirtualOrganization"),
        ([unnamed()], "without metadata.name"),
    ],
)
def test_what_could_not_be_served_is_told_in_a_sentence_and_by_the_exit_status(
    shell: Shell, documents: list[Any], told: str
) -> None:
    printed, error = shell.render(*documents)
    assert told in error
    assert (printed, shell.status) == ("", 1)


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main(["-f", "/nonexistent/vo.yaml"]) == 1
    assert "/nonexistent/vo.yaml" in capsys.readouterr().err
