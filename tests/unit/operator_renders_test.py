"""`facility render` prints what the operator would write, from files alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from facility.operator import render
from tests.fakes.operator_world import SITE, vo


def test_the_manifests_of_a_vo_are_printed_as_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vo.yaml").write_text(yaml.safe_dump_all([vo("cms"), vo("atlas", "https://atlas.example.org")]))
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(SITE.model_dump(by_alias=True)))
    render.main(["-f", str(tmp_path / "vo.yaml"), "--site", str(tmp_path / "site.yaml")])
    printed = [(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(capsys.readouterr().out)]
    assert {("StatefulSet", "xcache-cms"), ("StatefulSet", "ap-atlas"), ("ConfigMap", "cm-config")} <= set(printed)
    assert len(printed) == len(set(printed))
