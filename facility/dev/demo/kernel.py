"""A running Jupyter kernel: cells in, what they printed out."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Channel = AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]


class CellError(RuntimeError):
    """A cell raised; the text has its traceback."""


@dataclass
class Kernel:
    """A running kernel (Jupyter messaging protocol 5.3).

    `open` gives a channel to it: one for each cell, as Jupyter ends those that nobody reads from for a minute or two.
    """

    open: Callable[[], Channel]

    async def run(self, code: str, seconds: float = 600) -> str:
        """What the code printed.

        Raises:
            CellError: it raised; with traceback and what it had printed.
            TimeoutError: it did not end within `seconds`.
        """
        me = uuid.uuid4().hex
        header = {"msg_id": me, "msg_type": "execute_request", "username": "", "session": me, "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
        message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        async with asyncio.timeout(seconds), self.open() as channel:
            await channel.send_json(message)
            return await _result(channel, me)


async def _result(channel: aiohttp.ClientWebSocketResponse, me: str) -> str:
    cell = _Cell(me)
    async for raw in channel:
        if raw.type is aiohttp.WSMsgType.TEXT:
            cell.take(json.loads(raw.data))
        if cell.over:
            break
    if cell.failure or not cell.over:
        raise CellError(f"{''.join(cell.printed)}\n{cell.failure or 'the connection ended'}"[-6000:])
    return "".join(cell.printed)


@dataclass
class _Cell:
    """What one request has come to. It is over when its reply and its last word (`idle`) are there, in either order."""

    request: str
    printed: list[str] = field(default_factory=list)
    failure: str = ""
    replied: bool = False
    idle: bool = False

    @property
    def over(self) -> bool:
        return self.replied and self.idle

    def take(self, message: dict[str, Any]) -> None:
        """One message of the kernel, or of the server that looks after it."""
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] in ("restarting", "dead"):
            self.failure, self.replied, self.idle = "the kernel has died", True, True
        elif message["parent_header"].get("msg_id") == self.request:
            self._answer(kind, content)

    def _answer(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            self.printed.append(content["text"])
        elif kind == "error":
            self.failure = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))
        elif kind == "status":
            self.idle = self.idle or content["execution_state"] == "idle"
        elif kind == "execute_reply":
            self.replied = True
            if content["status"] == "aborted":
                self.failure = "the cell was not run: one before it had failed"
