"""Finding bearer and refresh tokens of the VOs' issuers in any text: every token issued is one of these two shapes."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facility.dev.demo import world

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}")
_URL_SAFE = str.maketrans("-_", "+/")
#: without the final slash, which ID tokens may have or lack
ISSUERS = {vo.issuer.rstrip("/") for vo in world.VOS.values()}


@dataclass(frozen=True)
class Found:
    """A token that was found, told without its bytes."""

    where: str
    kind: str
    claims: str


def tokens(where: str, text: str, depth: int = 3) -> Iterator[Found]:
    """All tokens of the VOs' issuers in a text, also within base64 (Secrets, and what is encoded in them)."""
    for match in _JWT.finditer(text):
        head, payload = (decoded(part) for part in match.group().split(".")[:2])
        if str(payload.get("iss")).rstrip("/") in ISSUERS or head.get("alg") == "none":
            kind = "refresh token" if head.get("alg") == "none" else "token"
            yield Found(where, kind, f"jti {payload.get('jti')} aud {payload.get('aud')} sub {payload.get('sub')}")
    if depth:
        for match in _BASE64.finditer(text):
            for start in range(4):  # what stands before it may look like a part of it: a path, the n of a \\n
                yield from tokens(where, _unbase64(match.group()[start:]), depth - 1)


def decoded(part: str) -> dict[str, Any]:
    """A part of a JWT; empty when it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _unbase64(text: str) -> str:
    """What is encoded, unpacked if it is packed (helm's releases are)."""
    whole = text[: len(text) - (len(text) % 4 == 1)].translate(_URL_SAFE)
    found = base64.b64decode(whole + "=" * (-len(whole) % 4))
    if found.startswith(b"\x1f\x8b"):
        try:
            found = gzip.decompress(found)
        except (OSError, EOFError, zlib.error):
            return ""
    return found.decode("latin-1")
