"""What keeps a program running in its container: the images' script, around programs that end in every way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from facility.condor import credmon
from tests.fakes.patience import PATIENCE

SCRIPT = Path(__file__).parents[2] / "images" / "shared" / "keep-running"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Runs the script around a shell program that says its number and goes on as given."""
    running: list[subprocess.Popen[str]] = []

    def run(program: str, first: str = "") -> subprocess.Popen[str]:
        path = tmp_path / "program"
        path.write_text(f'#!/bin/sh\n{first}\necho "$$" "$*"\n{program}\n')
        path.chmod(0o755)
        command, pipe = [SCRIPT, path, "with", "two  words"], subprocess.PIPE
        running.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True))
        return running[-1]

    yield run
    for one in running:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)  # with its program, which would hold the pipes open
        one.communicate()


def begun(script: subprocess.Popen[str]) -> int:
    """The number of the program that has just begun."""
    assert script.stdout
    number, _, arguments = script.stdout.readline().strip().partition(" ")
    assert arguments == "with two  words"
    return int(number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_program_that_was_ended_is_started_again(start: Start, number: int) -> None:
    script = start("exec sleep 60")
    first = begun(script)
    os.kill(first, number)
    second = begun(script)
    assert second != first
    assert script.stderr
    told = f"keep-running: ended by signal {number:d}, started again: "
    assert any(line.startswith(told) for line in iter(script.stderr.readline, ""))  # after what the shell says itself
    assert script.poll() is None


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_program_that_ends_by_itself_is_left_to_the_kubelet(start: Start, status: int) -> None:
    script = start(f"exit {status}")
    script.communicate(timeout=PATIENCE)
    assert script.returncode == status


def test_told_to_leave_it_waits_for_the_program_and_has_its_status(start: Start) -> None:
    script = start("while :; do sleep 0.05; done", first='trap "echo leaving; exit 143" TERM')
    begun(script)
    script.send_signal(signal.SIGTERM)
    said, _ = script.communicate(timeout=PATIENCE)
    assert said == "leaving\n"
    assert script.returncode == 128 + signal.SIGTERM


def test_the_monitor_of_jobs_tokens_is_ended_and_not_done() -> None:
    with pytest.raises(SystemExit) as ended:
        credmon._leave(signal.SIGTERM, None)
    assert ended.value.code == 128 + signal.SIGTERM
