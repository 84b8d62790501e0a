"""Reads requests, of which nothing is believed: not their size, not their type, not that they ever end.

The front of the process (`LIMITS`) bounds what comes before a body: 8 KiB for a line or header, and a time for all of
them. Here a body is bounded: its size before it is read, and the time in which it has to be there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from facility.broker import errors
from facility.broker.interface import FORM, JSON
from facility.broker.messages import Read, read

LARGEST = 65536  # bytes of a request's body
BODY = 5.0  # seconds for all of a body to come
MOST = 64  # parameters of a form
SHORT = 128  # characters of an escaped name or value that is remembered: no token is as short
#: for aiohttp's runner: seconds until a connection without a whole request on it is cut, and for which the rest of a
#: refused request is still read; nothing is logged of requests that are broken, as it might quote them
LIMITS: dict[str, Any] = {
    "keepalive_timeout": 30.0,
    "lingering_time": 1.0,
    "logger": logging.Logger("broken requests", logging.CRITICAL + 1),
}


async def form(request: web.Request, kind: type[Read]) -> Read:
    """The parameters of a form, each of which is there once. Raises BrokerError."""
    text = await _text(request, FORM)
    try:
        found = pairs(text)
    except ValueError:
        raise errors.invalid_request("the form cannot be read: names and values in UTF-8, escaped") from None
    if len({name for name, _ in found}) < len(found):
        raise errors.invalid_request("a parameter is there twice; ask for one audience at a time")
    # a parameter without a value is as if it were not there (RFC 6749, section 3.2)
    return read(kind, {name: value for name, value in found if value})


def pairs(text: str) -> list[tuple[str, str]]:
    """As the standard library's `parse_qsl` in its strict mode, but that it unescapes what is always the same once.

    Raises:
        ValueError: this is no form, or one of more than MOST parameters.
    """
    parts = [part.partition("=") for part in text.split("&")] if text else []
    if len(parts) > MOST:
        raise ValueError("too many parameters")
    if not all(equals for _, equals, _ in parts):
        raise ValueError("a parameter is not <name>=<value>")
    return [(_unescaped(name), _unescaped(value)) for name, _, value in parts]


def _unescaped(text: str) -> str:
    if "%" not in text and "+" not in text:  # such as a pod's token
        return text
    return remembered(text) if len(text) <= SHORT else unquote_plus(text, errors="strict")


@lru_cache(maxsize=256)
def remembered(text: str) -> str:
    """What is meant by an escaped name or value that is too short for a token: half of the work with a form."""
    return unquote_plus(text, errors="strict")


async def document(request: web.Request, kind: type[Read]) -> Read:
    """A JSON object. Raises BrokerError."""
    try:
        value = json.loads(await _text(request, JSON))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise errors.invalid_request("send a JSON object")
    return read(kind, value)


async def _text(request: web.Request, kind: str) -> str:
    if request.content_type != kind:
        raise errors.wrong_type(f"send {kind}")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise errors.wrong_type("send it as it is, not packed")
    if (request.content_length or 0) > LARGEST:
        raise errors.too_large(LARGEST)
    try:
        # small ones come with their headers: nothing to wait for
        return (await (request.read() if request.content.is_eof() else _waited_for(request))).decode()
    except TimeoutError:
        raise errors.too_slow() from None
    except UnicodeDecodeError:
        raise errors.invalid_request("send UTF-8") from None
    except web.RequestPayloadError:
        raise errors.invalid_request("the request ends too early, or is not chunked as it says") from None


async def _waited_for(request: web.Request) -> bytes:
    async with asyncio.timeout(BODY):
        return await request.read()
