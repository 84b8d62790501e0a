"""One real read, of one byte, with the token that programs would use; what came of it in one word."""

from __future__ import annotations

import importlib
import os
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote

from facility.why.facts import Address, Answer, Outcome

_TIMEOUT = 20.0  # seconds; a cold file takes as long as its origin
#: XRootD's protocol, kXR_…: NotAuthorized, NotFound
_NOT_AUTHORIZED, _NOT_FOUND = 3010, 3011


def https(address: Address, token: str, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> Answer:
    """GET of the first byte. No redirect is followed: the token is for this host."""
    connection = HTTPSConnection(address.host, address.port, timeout=_TIMEOUT, context=trust())
    headers = {"Authorization": f"Bearer {token}", "Range": "bytes=0-0"}
    try:
        connection.request("GET", quote(address.path), headers=headers)
        answer = connection.getresponse()
        return Answer(_by_status(answer), _words(answer))
    except ssl.SSLCertVerificationError as error:
        return Answer("tls", error.verify_message)
    except TimeoutError:
        return Answer("late")
    except (OSError, HTTPException) as error:
        return Answer("unreachable", _line(str(error) or type(error).__name__))
    finally:
        connection.close()


def root(address: Address, token: str) -> Answer | None:
    """An open by XRootD's own client, which finds the token by itself; None where there is no such client."""
    try:
        client: Any = importlib.import_module("XRootD.client")
    except ImportError:
        return None
    try:
        socket.getaddrinfo(address.host, address.port)  # the client would try for minutes
    except OSError as error:
        return Answer("unreachable", _line(error.strerror or ""))
    os.environ.setdefault("XRD_CONNECTIONWINDOW", str(int(_TIMEOUT)))
    os.environ.setdefault("XRD_CONNECTIONRETRY", "1")
    file = client.File()
    status, _ = file.open(f"root://{address.host}:{address.port}/{address.path}", timeout=int(_TIMEOUT))
    if not status.ok:
        return by_message(int(status.errno), str(status.message).replace(token, "…"))
    status, _ = file.read(0, 1, timeout=int(_TIMEOUT))
    file.close()
    return Answer("read") if status.ok else by_message(int(status.errno), str(status.message).replace(token, "…"))


def by_message(number: int, text: str) -> Answer:
    """What XRootD's client says, in one word. It tells some things by their text only."""
    words = text.lower()
    outcome: Outcome = "trouble"
    for word, marks in _MARKS.items():
        if any(mark in words for mark in marks):
            outcome = word
            break
    else:
        outcome = {_NOT_AUTHORIZED: "refused", _NOT_FOUND: "missing"}.get(number, outcome)  # type: ignore[assignment]
    return Answer(outcome, _line(text))


_MARKS: dict[Outcome, tuple[str, ...]] = {
    "tls": ("certificate", "tls", "invalid login response"),
    "refused login": ("auth failed", "no protocols left"),
    "not exported": ("disallowed",),
    "unreachable": ("invalid address", "connection error", "socket error", "connection refused", "unable to resolve"),
    "late": ("operation expired", "timeout"),
}


def _by_status(answer: HTTPResponse) -> Outcome:
    if answer.status in (200, 206, 416):  # 416: an empty file has no first byte
        return "read"
    if answer.status == 401:
        return "refused login"
    if answer.status == 403:
        return "refused"
    return "missing" if answer.status == 404 else "trouble"


def _words(answer: HTTPResponse) -> str:
    if answer.status in (200, 206, 416):
        return ""
    body = answer.read(500).decode("ascii", "replace")
    return _line(f"{answer.status} {answer.reason}: {body}" if body.strip() else f"{answer.status} {answer.reason}")


def _line(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:200]
