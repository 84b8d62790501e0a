"""Whoever waits for the agent ends when it listens, and not for ever."""

from __future__ import annotations

import socket
from pathlib import Path

from facility.agent.wait import wait
from tests.fakes.clock import Clock


def test_an_agent_that_listens_is_waited_for_no_longer(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as agent:
        slept = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                agent.bind(str(path))
                agent.listen()

        assert wait(str(path), clock, sleep)
        assert len(slept) == 3


def test_the_file_of_an_agent_that_has_ended_is_no_agent_and_waiting_ends_after_a_minute(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(path))
    assert path.exists()
    began = clock()
    assert not wait(str(path), clock, clock.pass_by)
    assert 60 <= clock() - began < 61
