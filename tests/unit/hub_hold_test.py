"""A notebook's start is held until its agent's socket is there, and not for ever."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from facility.hub.hold import hold
from tests.fakes.patience import PATIENCE


def test_the_start_is_held_until_the_agent_has_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with subprocess.Popen(hold(str(path))) as held, socket.socket(socket.AF_UNIX) as agent:
        with pytest.raises(subprocess.TimeoutExpired):
            held.wait(0.2)
        agent.bind(str(path))
        assert held.wait(PATIENCE) == 0


def test_an_agent_that_never_comes_lets_the_notebook_start_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.write_text("")
    assert subprocess.run(hold(str(path), turns=3), timeout=PATIENCE, check=False).returncode == 0
