"""Where a command gets its token from: the agent of a pod, the files of a job, or a session of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from facility.agent import client, files
from facility.agent.words import reason

_AGENT = "/run/token"


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


def source(environment: Mapping[str, str], vo: str = "") -> Source:
    """The place that this process has its tokens from; `vo`: whose, where several are possible.

    Raises:
        NoTokenError: it has none, or `vo` is not the pod's.
    """
    if at_facility(environment) and vo in ("", environment.get("FACILITY_VO", "")):
        return _here(environment)
    from facility.commands.machine import machine  # with all of https; a pod's commands start without it

    return machine(environment, vo)


def _here(environment: Mapping[str, str]) -> Source:
    """A job has its own files even where its submitter's environment came along."""
    creds, first = environment.get("_CONDOR_CREDS"), environment.get("BEARER_TOKEN_FILE")
    if not creds:
        return Agent(_pod(environment))
    from facility.commands.job import Job

    return Job(Path(creds), Path(first) if first else None)


def at_facility(environment: Mapping[str, str]) -> bool:
    """Whether this is a pod with an agent, or a job of HTCondor's."""
    pod = "AGENT_DIRECTORY" in environment or (_pod(environment) / files.SOCKET).exists()
    return pod or bool(environment.get("_CONDOR_CREDS"))


def _pod(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("AGENT_DIRECTORY", _AGENT))
