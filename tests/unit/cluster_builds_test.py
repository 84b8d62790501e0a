"""Programs come from published Go modules: what a module replaces by its own folders becomes a published version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from facility.dev.cluster import golang, programs
from facility.dev.cluster.golang import Program

THEIRS = {
    "Go": "1.24.0",
    "GoDebug": [{"Key": "default", "Value": "go1.24"}],
    "Require": [{"Path": "k8s.io/api", "Version": "v0.0.0"}, {"Path": "k8s.io/utils", "Version": "v0.1.0"}],
    "Replace": [
        {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
        {"Old": {"Path": "k8s.io/sample"}, "New": {"Path": "./staging/src/k8s.io/sample"}},
        {"Old": {"Path": "example.org/fork"}, "New": {"Path": "example.org/forked", "Version": "v1.2.3"}},
    ],
}


def lines(program: Program) -> list[str]:
    return golang.own_module(program, THEIRS).splitlines()


def test_the_language_version_and_debug_settings_are_the_modules_own() -> None:
    assert {"go 1.24.0", "godebug default=go1.24"} <= set(lines(Program("k", "k8s.io/kubernetes", "v1.34.4")))


def test_required_folders_become_versions() -> None:
    made = lines(Program("k", "k8s.io/kubernetes", "v1.34.4", siblings="v0.34.4"))
    assert "require k8s.io/kubernetes v1.34.4" in made
    assert "require k8s.io/api v0.34.4" in made
    assert "replace k8s.io/api => k8s.io/api v0.34.4" in made


def test_folders_that_nothing_requires_are_not_asked_for() -> None:
    assert not any("k8s.io/sample" in line for line in lines(Program("k", "k8s.io/kubernetes", "v1", siblings="v0")))


def test_without_a_version_for_folders_the_required_ones_hold() -> None:
    assert not any("k8s.io/api" in line for line in lines(Program("e", "go.etcd.io/etcd", "v3")))


def test_replacements_by_versions_stay_and_ours_come_first() -> None:
    made = lines(Program("c", "example.org/c", "v1", replaces=("example.org/shim@v0.12.9",)))
    replacements = [line for line in made if line.startswith("replace")]
    assert replacements == [
        "replace example.org/shim => example.org/shim v0.12.9",
        "replace example.org/fork => example.org/forked v1.2.3",
    ]


def test_a_build_names_its_packages_tags_and_variables() -> None:
    program = Program("x", "example.org/x", "v1", packages=("cmd/a", "cmd/b"), variables=(("v.V", "1"),), tags="t")
    command = golang.build_command(program, golang.Path("/out"))
    assert command[-2:] == ["example.org/x/cmd/a", "example.org/x/cmd/b"]
    assert command[command.index("-tags") + 1] == "t"
    assert command[command.index("-ldflags") + 1] == "-s -w -X v.V=1"
    assert command[command.index("-o") + 1] == "/out/"


def test_a_module_without_packages_is_a_program_itself() -> None:
    assert golang.build_command(programs.KIND, golang.Path("/out"))[-1] == programs.KIND.module


def test_calico_is_built_under_a_version_that_it_can_read_when_it_starts_again() -> None:
    values = [value for name, value in programs.CALICO.variables if name.endswith("startup.VERSION")]
    assert values == ["v3.28.5"]


def test_a_program_that_two_want_at_the_same_time_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, built = Barrier(2), []

    def go_build(_: object, cwd: Path, env: object) -> None:
        built.append(cwd)
        with suppress(BrokenBarrierError):
            both.wait(0.2)  # for another, who would not have to be let in
        (cwd / "new").mkdir()

    monkeypatch.setenv("FACILITY_CACHE", str(tmp_path))
    monkeypatch.setattr(golang, "_go_version", lambda: "go1.26")
    monkeypatch.setattr(golang, "fresh_module", lambda folder, _: folder.mkdir(parents=True))
    monkeypatch.setattr(golang, "logged", go_build)
    with ThreadPoolExecutor(2) as two:
        first, second = two.map(golang.build, [programs.HELM] * 2)
    assert first == second == built[0] / "bin"
    assert len(built) == 1
