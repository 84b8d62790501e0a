"""Tokens of every kind for the refusal tests, signed with the development issuers' own keys (or with others)."""

from __future__ import annotations

import functools

from facility.dev.demo import place, world
from facility.dev.issuer import mint

#: key id of the demo issuers' signing key: the stem of its file in the Secret
KID = place.KID


@functools.cache
def other_key() -> str:
    """A key that no issuer publishes."""
    return mint.signing_key()


def token(
    vo: world.DemoVO = world.CMS,
    *,
    scope: str = "storage.read:/embargoed",
    audience: str = world.ORIGIN,
    life: float = 300,
    forged: bool = False,
    issuer: str = "",
    person: world.Account | None = None,
) -> str:
    """A token like those of the VO's issuer, but for what is asked otherwise. `life` in seconds, negative: expired.
    Of the person who does the main job, unless another is named."""
    key = other_key() if forged else place.material().signing[vo.name]
    subject = (person or vo.person).subject
    return mint.token(key, KID, issuer or vo.issuer, sub=subject, audience=audience, scope=scope, life=life)
