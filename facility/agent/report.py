"""What a person should know of their identity, their lakes and their tokens: one document for terminal and JupyterLab.

Made of the pod's environment and of the agent's `status.json`; no token is in either. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facility.agent.state import Moment, left, since
from facility.agent.words import reason, span
from facility.codes import SIGN_IN

#: seconds after which an agent that writes every minute must have written again, however slowly the broker answers
_SILENT = 300
#: seconds by which a node's clock may be wrong before anybody should care: WLCG's own tolerance
_SKEW = 60
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Lake:
    """A part of the data lake, as its paths begin."""

    prefix: str
    root: str
    https: str


@dataclass(frozen=True)
class Token:
    """A token file. `seconds`: how long it is good, 0 for none. `trouble`: why it is not renewed, or empty."""

    name: str
    path: str
    audience: str
    scope: str
    seconds: int
    trouble: str


@dataclass(frozen=True)
class Report:
    """All of it. `sign_in`: where the person signs in to their VO again; empty when the hub has not said.

    `again`: signing in again is what helps. `trouble`: sentences; empty when all is well.
    """

    user: str
    vo: str
    sign_in: str
    again: bool
    lakes: tuple[Lake, ...]
    tokens: tuple[Token, ...]
    trouble: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def report(environment: Mapping[str, str], status: Mapping[str, Any], now: Moment) -> Report:
    """`status`: what `socket.status` gives, {} where there is no agent and none has written."""
    entries = sorted((status.get("files") or {}).items())
    tokens = tuple(_token(name, entry, left(status, entry, now)) for name, entry in entries)
    causes = [status.get("broker") or {}, *(entry for _, entry in entries)]
    return Report(
        user=environment.get("FACILITY_USER", _UNKNOWN),
        vo=environment.get("FACILITY_VO", _UNKNOWN),
        sign_in=_sign_in(environment),
        again=any(cause.get("error") == SIGN_IN for cause in causes),
        lakes=tuple(_lakes(environment)),
        tokens=tokens,
        trouble=tuple(_trouble(status, tokens, now)),
    )


def _token(name: str, entry: Mapping[str, Any], remaining: float) -> Token:
    seconds = max(int(remaining), 0)
    trouble = reason(entry) if entry.get("error") else ""
    text = {key: str(entry.get(key) or "") for key in ("path", "audience", "scope")}
    return Token(name=name, **text, seconds=seconds, trouble=trouble)


def _trouble(status: Mapping[str, Any], tokens: tuple[Token, ...], now: Moment) -> Iterator[str]:
    if not status:
        yield "no agent has written its status yet: tokens are not there, or are not renewed"
        return
    if since(status, now) > _SILENT:
        yield f"the agent has written nothing since {status.get('updated')}: restart your server"
    if clock := _clock((status.get("clock") or {}).get("ahead")):
        yield clock
    if status.get("broker"):
        yield reason(status["broker"])
    sentences: dict[str, list[str]] = {}
    for token in tokens:
        if text := token.trouble or ("" if token.seconds else "there is no token now"):
            sentences.setdefault(text, []).append(token.name)
    yield from (f"{', '.join(called)}: {text}" for text, called in sentences.items())


def _clock(ahead: Any) -> str:
    if not isinstance(ahead, int | float) or abs(ahead) <= _SKEW:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {span(int(abs(ahead)))} {side} the broker's: tell the facility's administrators"


def _lakes(environment: Mapping[str, str]) -> Iterator[Lake]:
    root, https = environment.get("LAKE_ROOT", ""), environment.get("LAKE_HTTPS", "")
    prefixes = environment.get("LAKE_PREFIXES", "").split()
    if root or https:
        yield from (Lake(prefix, f"{root}{prefix}", f"{https}{prefix}") for prefix in prefixes or [""])


def _sign_in(environment: Mapping[str, str]) -> str:
    hub, vo = environment.get("JUPYTERHUB_PUBLIC_HUB_URL", ""), environment.get("FACILITY_VO", "")
    return f"{hub.rstrip('/')}/oauth/{vo}/login" if hub and vo else ""
