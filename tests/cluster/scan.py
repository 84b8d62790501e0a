"""Finding bearer and refresh tokens of the VOs' issuers in any text: every token issued is one of these two shapes."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facility.dev.demo import world

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
ISSUERS = {vo.issuer for vo in world.VOS.values()}


@dataclass(frozen=True)
class Found:
    """A token that was found, told without its bytes."""

    where: str
    kind: str
    claims: str


def tokens(where: str, text: str, depth: int = 2) -> Iterator[Found]:
    """All tokens of the VOs' issuers in a text, also within base64 (Secrets, and what is encoded in them)."""
    for match in _JWT.finditer(text):
        head, payload = (decoded(part) for part in match.group().split(".")[:2])
        if payload.get("iss") in ISSUERS or head.get("alg") == "none":
            kind = "refresh token" if head.get("alg") == "none" else "token"
            yield Found(where, kind, f"jti {payload.get('jti')} aud {payload.get('aud')} sub {payload.get('sub')}")
    if depth:
        for match in _BASE64.finditer(text):
            inside = _unbase64(match.group())
            if "eyJ" in inside:
                yield from tokens(where, inside, depth - 1)


def decoded(part: str) -> dict[str, Any]:
    """A part of a JWT; empty when it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _unbase64(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
    except (ValueError, binascii.Error):
        return ""
