"""Cells in people's notebooks."""

from __future__ import annotations

from typing import Any

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage, result


async def printed(stage: Stage, vo: world.DemoVO, account: str, code: str, seconds: float = 180) -> str:
    """What a cell printed in that person's notebook, which is started if it is not there."""
    async with stage.at_hub(vo, account) as person:
        await person.sign_in()
        await person.spawn()
        async with person.kernel() as kernel:
            return await kernel.run(code, seconds)


async def cell(stage: Stage, vo: world.DemoVO, account: str, code: str) -> Any:
    """The RESULT of a cell in that person's notebook."""
    return result(await printed(stage, vo, account, code))
