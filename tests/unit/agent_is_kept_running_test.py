"""What keeps an agent running in its container: the image's script, around programs that end in every way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.patience import PATIENCE

SCRIPT = Path(__file__).parents[2] / "images" / "facility" / "facility-agent"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Runs the script where `python3` is a shell program that says its number and goes on as given."""
    running: list[subprocess.Popen[str]] = []

    def run(program: str, first: str = "") -> subprocess.Popen[str]:
        python = tmp_path / "python3"
        python.write_text(f'#!/bin/sh\n{first}\necho "$$" "$*"\n{program}\n')
        python.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        pipe = subprocess.PIPE
        options: dict[str, Any] = {"env": environment, "stdout": pipe, "stderr": pipe, "text": True}
        running.append(subprocess.Popen([SCRIPT], start_new_session=True, **options))
        return running[-1]

    yield run
    for one in running:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)  # with its program, which would hold the pipes open
        one.communicate()


def begun(script: subprocess.Popen[str]) -> int:
    """The number of the agent that has just begun."""
    assert script.stdout
    number, _, arguments = script.stdout.readline().strip().partition(" ")
    assert arguments == "-m facility.agent.main"
    return int(number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_an_agent_that_was_ended_is_started_again(start: Start, number: int) -> None:
    script = start("exec sleep 60")
    first = begun(script)
    os.kill(first, number)
    second = begun(script)
    assert second != first
    assert script.stderr
    assert f"agent: ended by signal {number:d}, and started again\n" in iter(script.stderr.readline, "")
    assert script.poll() is None


@pytest.mark.parametrize("status", [0, 1, 2])
def test_an_agent_that_ends_by_itself_is_left_to_the_kubelet(start: Start, status: int) -> None:
    script = start(f"exit {status}")
    script.communicate(timeout=PATIENCE)
    assert script.returncode == status


def test_told_to_leave_it_waits_for_the_agent_and_never_says_that_all_is_done(start: Start) -> None:
    script = start("while :; do sleep 0.05; done", first='trap "echo leaving; exit 143" TERM')
    begun(script)
    script.send_signal(signal.SIGTERM)
    said, _ = script.communicate(timeout=PATIENCE)
    assert said == "leaving\n"
    assert script.returncode == 128 + signal.SIGTERM
