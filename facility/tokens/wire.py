"""What goes to an issuer and what comes back, as values: HTTP without a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class UnavailableError(Exception):
    """No usable answer: the issuer is away or out of order, and nothing is known about the session from it."""


@dataclass(frozen=True)
class Request:
    """One request; `form` makes it a POST of application/x-www-form-urlencoded."""

    method: str
    url: str
    form: Mapping[str, str] | None = field(repr=False, default=None)
    authorization: str | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Response:
    """Status and body of an answer."""

    status: int
    body: bytes = field(repr=False, default=b"")


def read_object(response: Response, what: str) -> dict[str, Any]:
    """The JSON object of a 200 answer. Raises UnavailableError, which names `what` and never quotes the body."""
    if response.status != 200:
        raise UnavailableError(f"the {what} answers {response.status}")
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UnavailableError(f"the {what} answers something that is no JSON object")
    return value
