"""What goes to an issuer and what comes back, as values: HTTP without a connection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any


class UnavailableError(Exception):
    """No usable answer: the issuer is away or out of order, and nothing is known about the session from it.

    `retry_after`: seconds after which it is worth another try, 0 when nobody knows.
    """

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Request:
    """One request; `form` makes it a POST of application/x-www-form-urlencoded."""

    method: str
    url: str
    form: Mapping[str, str] | None = field(repr=False, default=None)
    authorization: str | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Response:
    """Status and body of an answer; `kind` is its media type without parameters, `retry_after` in seconds."""

    status: int
    body: bytes = field(repr=False, default=b"")
    kind: str = "application/json"
    retry_after: float = 0.0

    @property
    def trouble(self) -> bool:
        """Whether this is no issuer at work: it fails, has too much to do, or something in front of it answers.

        An empty body is no page, whatever it is called: so are revocations answered (RFC 7009, 2.2).
        """
        moved = 300 <= self.status < 400
        page = self.status == 200 and self.kind == "text/html" and self.body.strip() != b""
        return self.status >= 500 or self.status == 429 or moved or page


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


def seconds_to_wait(retry_after: str, now: float) -> float:
    """What a Retry-After header says (RFC 9110, 10.2.3): seconds or a date; 0 when it says nothing of use."""
    if re.fullmatch("[0-9]{1,6}", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
