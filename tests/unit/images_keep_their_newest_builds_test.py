"""A disk does not fill with what was built on other days: an image keeps its newest builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.dev.images import places

#: the engine's command line, as far as it is used: five builds of the hub, the newest first; what goes is written down
DOCKER = """#!/bin/sh
case "$2" in
ls) [ "$5" = analysis-facility/hub ] || exit 0
    for tag in e d c b a; do echo "analysis-facility/hub:$tag"; done ;;
rm) shift 3; echo "$@" >>"$0.gone" ;;
esac
"""


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine writes what was taken out of it."""
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("FACILITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "docker.gone"


def test_builds_before_the_last_three_go(gone: Path) -> None:
    places.drop_superseded("hub", "analysis-facility/hub:e")
    assert gone.read_text() == "analysis-facility/hub:b analysis-facility/hub:a\n"


def test_what_was_just_built_of_old_layers_stays(gone: Path) -> None:
    places.drop_superseded("hub", "analysis-facility/hub:b")
    assert gone.read_text() == "analysis-facility/hub:a\n"


def test_nothing_goes_where_nothing_is_superseded(gone: Path) -> None:
    places.drop_superseded("notebook", "analysis-facility/notebook:e")
    assert not gone.exists()
