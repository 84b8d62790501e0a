"""Which audience a request asks for: three parameters, the first non-empty one wins (IAM 1.12, RFC 8707)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from facility.dev.issuer import errors


def asked(form: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """The audiences asked for, and whether by `resource`, which must be a plain URL. Raises errors.RefusedError."""
    for name in ("resource", "aud", "audience"):
        if words := tuple((form.get(name) or "").split()):
            if name == "resource":
                _check(words)
            return words, name == "resource"
    return (), False


def at_refresh(form: Mapping[str, str], granted: tuple[str, ...], bound: bool) -> tuple[str, ...]:
    """The audience of a refreshed token: what is asked for now, else what the authorization asked for.

    Nothing is remembered from other refreshes. Raises errors.RefusedError when a resource was not named at the
    authorization, or when the grant is bound to resources and anything else is asked for.
    """
    words, resource = asked(form)
    if not words:
        return granted
    if (resource or bound) and not (bound and set(words) <= set(granted)):
        raise errors.invalid_target()
    return words


def _check(words: tuple[str, ...]) -> None:
    for word in words:
        parts = urlsplit(word)
        if not parts.scheme or not parts.netloc or parts.query or parts.fragment:
            raise errors.RefusedError(400, "invalid_target", "The requested resource is invalid")
