"""Notebook servers that are one small real web server, so that a hub in a test starts and stops them at once."""

from __future__ import annotations

from typing import Any

from jupyterhub.spawner import Spawner
from traitlets import Integer

from tests.fakes.hub_servers import Reply, Request, Server


class Notebooks(Server):
    """All notebook servers: it answers the hub's question whether they are up."""

    def answer(self, request: Request) -> Reply:
        return Reply(200, {}, {"X-JupyterHub-Version": "6.1.1"})


class NotebookSpawner(Spawner):  # type: ignore[misc]
    """A server runs from `start` to `stop`, and outlives the hub."""

    port = Integer(help="Port of the fake notebooks.").tag(config=True)
    runs = False

    async def start(self) -> tuple[str, int]:
        self.runs = True
        return "127.0.0.1", self.port

    async def stop(self, now: bool = False) -> None:
        self.runs = False

    async def poll(self) -> int | None:
        return None if self.runs else 0

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "runs": self.runs}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.runs = state.get("runs", False)
