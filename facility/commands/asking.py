"""What a command asks for, and what it is given, wherever that comes from."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class NoTokenError(Exception):
    """There is no such token here; the text says why and what to do."""


class Ask(NamedTuple):
    """`audience` or `name` of one of the VO's tokens (the first if neither), `scope` "" for all; `life` in seconds."""

    audience: str = ""
    name: str = ""
    scope: str = ""
    life: float = 0.0
    new: bool = False


class Given:
    """A token, good for so many `seconds` from now on. No dataclass: those take a third of a short command's time."""

    def __init__(self, token: str, seconds: int, scope: str, audience: str) -> None:
        self.token, self.seconds, self.scope, self.audience = token, seconds, scope, audience

    def __repr__(self) -> str:
        return f"Given(seconds={self.seconds}, scope={self.scope!r}, audience={self.audience!r})"


class Source(Protocol):
    """Gives tokens."""

    def get(self, ask: Ask) -> Given:
        """Raises NoTokenError."""
