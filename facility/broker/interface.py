"""The operations of the broker's interface: what each takes and what it may answer.

Routes are made of these and so is the description that is served, so that neither has what the other lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from facility.broker import messages
from facility.broker.messages import Message

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one path.

    `takes`: media type and model of the body; `answers`: status to model, None for an answer without a body; `errors`:
    statuses that have an error in their body; `identity`: whether the header Authorization has to name the caller.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, type[Message] | None]
    errors: tuple[int, ...] = ()
    takes: tuple[str, type[Message]] | None = None
    query: type[Message] | None = None
    identity: bool = False
    paths: Mapping[str, str] = field(default_factory=dict)


#: of everything that has to know who is asking
_ASKED = (401, 403, 429, 503)
_BODY = (400, 408, 413, 415)
_USER = {"user": messages.USER}

HEALTH = Operation("GET", "/healthz", "Whether the process serves.", {200: messages.Health})
DESCRIPTION = Operation("GET", "/openapi.json", "This description.", {200: None})
TOKEN = Operation(
    "POST",
    "/token",
    "A token for one audience (RFC 8693).",
    {200: messages.TokenAnswer},
    (*_ASKED, *_BODY),
    takes=(FORM, messages.TokenForm),
)
WANTED = Operation(
    "GET",
    "/wanted",
    "The token files that the caller's agent keeps; held back until there is news.",
    {200: messages.Listing},
    (400, *_ASKED),
    query=messages.Waiting,
    identity=True,
)
BATCH = Operation(
    "GET", "/batch", "How the jobs of the caller's person fare.", {200: messages.BatchBody}, _ASKED, identity=True
)
OPEN = Operation(
    "PUT",
    "/sessions/{user}",
    "The hub hands over a person's session.",
    {200: messages.User, 201: messages.User},
    (404, *_ASKED, *_BODY),
    takes=(JSON, messages.SignInBody),
    identity=True,
    paths=_USER,
)
STATE = Operation(
    "GET",
    "/sessions/{user}",
    "How a person's session is.",
    {200: messages.StandingBody},
    (404, *_ASKED),
    identity=True,
    paths=_USER,
)
CLOSE = Operation(
    "DELETE", "/sessions/{user}", "A person's session ends.", {204: None}, (404, *_ASKED), identity=True, paths=_USER
)
