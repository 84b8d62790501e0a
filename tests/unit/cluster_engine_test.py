"""The Docker engine is started with the machine's own settings, and with what the machine lacks taken into account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from facility.dev.cluster import capped_runc, engine

FULL = "Name:\tx\nCapBnd:\t000001ffffffffff\n"
WITHOUT_RESOURCE = "Name:\tx\nCapBnd:\t000001fffeffffff\n"


def test_nothing_is_missing_from_a_full_bounding_set() -> None:
    assert capped_runc.missing(FULL) == set()


def test_the_missing_capability_is_known_by_name() -> None:
    assert capped_runc.missing(WITHOUT_RESOURCE) == {"CAP_SYS_RESOURCE"}


def test_a_bundle_loses_the_missing_capability_from_every_set_and_keeps_all_else() -> None:
    bundle = {
        "root": {"path": "rootfs"},
        "process": {
            "args": ["true"],
            "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"]},
        },
    }
    assert capped_runc.without(bundle, {"CAP_SYS_RESOURCE"}) == {
        "root": {"path": "rootfs"},
        "process": {"args": ["true"], "capabilities": {"bounding": ["CAP_CHOWN"], "effective": []}},
    }


def test_a_process_of_exec_loses_it_too() -> None:
    process = {"args": ["sh"], "capabilities": {"permitted": ["CAP_KILL", "CAP_SYS_RESOURCE"]}}
    assert capped_runc.without(process, {"CAP_SYS_RESOURCE"})["capabilities"] == {"permitted": ["CAP_KILL"]}


def test_a_process_without_capabilities_stays_as_it_is() -> None:
    assert capped_runc.without({"args": ["sh"]}, {"CAP_SYS_RESOURCE"}) == {"args": ["sh"]}


@pytest.mark.parametrize("option", [["--bundle", "{}"], ["-b", "{}"], ["--bundle={}"]])
def test_the_bundle_is_found_however_it_is_given(tmp_path: Path, option: list[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    words = ["--log", "x", "create", *(word.format(tmp_path) for word in option), "id"]
    assert capped_runc.documents(words) == [tmp_path / "config.json"]


def test_commands_without_a_bundle_or_a_process_need_no_correction() -> None:
    assert capped_runc.documents(["--root", "/run/x", "kill", "id", "9"]) == []


def test_the_runtime_corrects_the_bundle_and_becomes_runc(tmp_path: Path) -> None:
    absent = sorted(capped_runc.missing(Path("/proc/self/status").read_text()) or {"CAP_NONE_IS_MISSING_HERE"})
    (tmp_path / "config.json").write_text(
        json.dumps({"process": {"capabilities": {"bounding": ["CAP_KILL", absent[0]]}}})
    )
    runc = tmp_path / "runc"
    runc.write_text('#!/bin/sh\nprintf "%s " "$@"\n')
    runc.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-I", capped_runc.__file__, "create", "--bundle", str(tmp_path), "id"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    kept = json.loads((tmp_path / "config.json").read_text())["process"]["capabilities"]["bounding"]
    assert done.stdout.split() == ["create", "--bundle", str(tmp_path), "id"]
    assert "CAP_KILL" in kept
    assert not set(kept) & capped_runc.missing(Path("/proc/self/status").read_text())


def test_the_machines_own_settings_stay_and_the_runtime_comes_beside_its_others(tmp_path: Path) -> None:
    system = {"registry-mirrors": ["https://mirror.example"], "runtimes": {"other": {"path": "/other"}}}
    made = engine.settings(system, tmp_path / "capped-runc", tmp_path / "pid")
    assert made["registry-mirrors"] == ["https://mirror.example"]
    assert set(made["runtimes"]) == {"other", "capped"}
    assert made["default-runtime"] == "capped"
    assert made["pidfile"] == str(tmp_path / "pid")


def test_a_machine_that_lacks_nothing_keeps_plain_runc(tmp_path: Path) -> None:
    assert "default-runtime" not in engine.settings({}, None, tmp_path / "pid")


def test_only_the_engine_that_was_started_here_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACILITY_CACHE", str(tmp_path))
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "dockerd.pid").write_text(str(os.getpid()))
    assert engine.stop() is False
