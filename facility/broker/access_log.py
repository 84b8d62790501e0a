"""One line in the log for each request: what was asked and how it went, and nothing that a caller could have put there.

Tokens given and lists told in time are only counted (`metrics`): of the line there would be thousands a second, each as
much work as a good part of the answer, and none would tell whose token it was. Refusals and slow answers are logged.
A path may be anything, a token too; so only paths that there are get logged, and in them only what is a user's name.
"""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from facility.broker import interface, messages

_ROUTINE = frozenset(one.path for one in (interface.HEALTH, interface.TOKEN))
_WAITS = interface.WANTED.path  # held back on purpose
SLOW = 1.0  # seconds from which on an answer is worth a line


class AccessLog(AbstractAccessLogger):
    """Method, path, status, time: no query, no headers, no body."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """One line for one request that is worth it."""
        if worth(request.path, response.status, time):
            self.logger.info("%s %s %.3f s", asked(request), response.status, time)


def worth(path: str, status: int, seconds: float) -> bool:
    """Whether an answer is worth a line."""
    return status >= 400 or not (path == _WAITS or (path in _ROUTINE and seconds < SLOW))


def asked(request: web.BaseRequest) -> str:
    """Method and path as they may be told."""
    resource = request.match_info.route.resource if isinstance(request, web.Request) else None
    if not isinstance(request, web.Request) or resource is None:  # no such path or method, or no HTTP at all
        return "-"
    path = resource.canonical
    for name, value in request.match_info.items():
        path = path.replace(f"{{{name}}}", value if re.fullmatch(messages.USER, value) else "-")
    return f"{request.method} {path}"
