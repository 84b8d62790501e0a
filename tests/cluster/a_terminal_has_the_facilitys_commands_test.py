"""A terminal in JupyterLab finds what a cell finds, although its login shell begins with Debian's own PATH."""

from __future__ import annotations

import asyncio

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def shown(stage: Stage, outcome: Outcome) -> str:
    """What bob's screen shows."""

    async def typed() -> str:
        async with stage.at_hub(world.ATLAS, "bob") as bob:
            await bob.sign_in()
            await bob.spawn()
            async with bob.terminal() as terminal:
                where = await terminal.run("command -v facility oidc-token python3 xrdcp condor_submit")
                return where + await terminal.run("facility status")

    return asyncio.run(typed())


@pytest.mark.parametrize("command", ["facility", "oidc-token", "python3"])
def test_the_facilitys_own_commands_are_there(shown: str, command: str) -> None:
    assert f"/opt/venv/bin/{command}" in shown


def test_so_are_the_fields(shown: str) -> None:
    assert "/usr/bin/xrdcp" in shown
    assert "/condor_submit" in shown


def test_they_know_who_is_there(shown: str) -> None:
    assert "atlas-bob" in shown
    assert "good for" in shown
