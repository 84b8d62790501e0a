"""Tokens of a pod: from the agent beside its containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facility.agent import client, files
from facility.agent.words import reason
from facility.commands.asking import Ask, Given, NoTokenError


class Agent:
    """The agent beside this container, at its socket in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, ask: Ask) -> Given:
        """By name as far as the agent keeps a file of that name."""
        audience = ask.audience or (self._audience(ask.name) if ask.name else "")
        request = {"audience": audience, "scope": ask.scope, "time": ask.life or 1, "new": ask.new}
        answer = self._asked(request)
        if "access_token" not in answer:
            raise NoTokenError(reason(answer))
        said = (str(answer["access_token"]), int(answer["expires_in"]), str(answer.get("scope", "")))
        return Given(*said, str(answer.get("audience", "")))

    def _audience(self, name: str) -> str:
        kept = self._asked({"status": True}).get("status", {}).get("files", {})
        if name not in kept:
            raise NoTokenError(f"there is no token {name!r} here; there are: {', '.join(kept) or 'none'}")
        return str(kept[name]["audience"])

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        path = self._directory / files.SOCKET
        try:
            return client.ask(path, request)
        except (OSError, ValueError) as error:
            raise NoTokenError(f"no agent answers at {path}: {error}") from None
