"""A terminal in JupyterLab: lines in, what the screen showed out."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass

import aiohttp

_ROWS, _COLUMNS = 40, 1000  # no line of ours is broken


@dataclass
class Terminal:
    """A running one's channel (terminado's protocol: JSON lists of a kind and what comes with it)."""

    channel: aiohttp.ClientWebSocketResponse

    async def run(self, line: str, seconds: float = 60) -> str:
        """What the screen showed while a line of shell ran, the line itself included.

        Raises:
            TimeoutError: it did not end within `seconds`.
            ConnectionError: the terminal ended.
        """
        word = uuid.uuid4().hex
        await self.channel.send_json(["set_size", _ROWS, _COLUMNS, 0, 0])
        # what is typed is shown, too: the word as a whole is seen only when it is printed
        await self.channel.send_json(["stdin", f"{line}; echo {word[:8]}''{word[8:]}\r"])
        async with asyncio.timeout(seconds):
            return await self._until(word)

    async def _until(self, word: str) -> str:
        shown = ""
        async for raw in self.channel:
            kind, *rest = json.loads(raw.data) if raw.type is aiohttp.WSMsgType.TEXT else [""]
            shown += str(rest[0]) if kind == "stdout" else ""
            if word in shown:
                return shown.partition(word)[0]
        raise ConnectionError(f"the terminal ended: {shown[-2000:]}")
