"""Tokens that say what a test wants; nobody here looks at their signature."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any


def token(**claims: Any) -> str:
    """A JWT of the WLCG profile, with these claims in the place of usual ones."""
    usual = {"iss": "https://iam.test/", "sub": "alice", "aud": "https://lake.test", "exp": 2_000_000_000, "nbf": 0}
    parts = ({"alg": "ES256", "kid": "1"}, usual | {"scope": "storage.read:/open", "wlcg.ver": "1.0"} | claims)
    return ".".join([*(segment(part) for part in parts), "c2lnbmF0dXJl"])


def segment(part: dict[str, Any]) -> str:
    """One part of a JWT."""
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
