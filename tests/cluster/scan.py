"""Finding secrets in any text: tokens of the VOs' issuers, each of one of two shapes, and secrets that are known."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
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


def known(where: str, text: str, secrets: Mapping[str, str]) -> Iterator[Found]:
    """Secrets that stand in a text, as they are or within base64, by their names."""
    for name, secret in secrets.items():
        if any(form in text for form in (secret, *_encoded(secret))):
            yield Found(where, "secret", name)


def _encoded(secret: str) -> Iterator[str]:
    """What stands in base64 wherever the secret is, whatever is before and after it."""
    for before in range(3):
        whole = base64.b64encode(b"?" * before + secret.encode()).decode().rstrip("=")
        yield whole[(8 * before + 5) // 6 : len(whole) - 1]


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
