"""The algebra of scopes: which scope covers which, and what two sets of scopes have in common.

Follows the WLCG Common JWT Profiles, section on the `scope` claim: storage scopes are `<capability>:<path>` with a
path that is absolute, normalised and URL-escaped, and they are compared by whole path components. Every other scope
is compared as a string. Capabilities are kept apart although storage.modify allows what storage.create does: what is
computed here is asked of an issuer, and issuers narrow paths but do not translate capabilities.

libscitokens decides at caches and access points; tests hold this algebra against it. It differs where it is narrower:
a path that ends in `/` does not open the thing of that name, a storage scope needs a path, and none has `..`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote

#: capabilities whose scopes must have a path
STORAGE = frozenset(f"storage.{verb}" for verb in ("read", "create", "modify", "stage", "poll"))
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749, section 3.3
#: in no path component, nor are control characters. A scope whose path has a % or a backslash once it is unescaped
#: opens nothing by libscitokens (1.4.1), and may close what the scopes after it would open
_NEVER = frozenset("/%\\\x7f")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class ScopeError(ValueError):
    """A scope that the profile forbids; the text names it and says why."""


@dataclass(frozen=True, order=True)
class Scope:
    """One scope. `parts` are the unescaped components of a storage path, None for a scope without a path.

    `directory` is true for a path that ends in `/` and so means what is below it, not the thing of that name.
    `spelling` is the text it was read from: issuers may compare scopes as strings, so it goes out as it came in.
    """

    capability: str
    parts: tuple[str, ...] | None = None
    directory: bool = False
    spelling: str = field(default="", compare=False)

    def __str__(self) -> str:
        if self.spelling or self.parts is None:
            return self.spelling or self.capability
        path = "/".join(quote(part, safe="") for part in self.parts)
        return f"{self.capability}:/{path}{'/' if self.directory and self.parts else ''}"

    def covers(self, other: Scope) -> bool:
        """Whether whoever holds this scope may do all that `other` allows."""
        if self.capability != other.capability or self.parts is None or other.parts is None:
            return self == other
        if other.parts[: len(self.parts)] != self.parts:
            return False
        return not self.directory or len(other.parts) > len(self.parts) or other.directory


def parse(text: str) -> Scope:
    """One scope from its text. Raises ScopeError."""
    if not _SCOPE.fullmatch(text):
        raise ScopeError(f"{text[:80]!r} is not a scope (RFC 6749, section 3.3)")
    capability, colon, path = text.partition(":")
    if capability not in STORAGE:
        return Scope(text)
    if not colon or not path.startswith("/"):
        raise ScopeError(f"scope {text!r} needs an absolute path, such as {capability}:/")
    parts, directory = _split(text, path)
    return Scope(capability, parts, directory, text)


def parse_all(text: str | Iterable[str]) -> tuple[Scope, ...]:
    """The scopes of a space-separated string or of several texts, each once, in order. Raises ScopeError."""
    return tuple(dict.fromkeys(parse(one) for one in _words(text)))


def parse_granted(text: str | Iterable[str]) -> tuple[Scope, ...]:
    """As `parse_all`, but a scope that the profile forbids counts as not granted instead of spoiling the rest."""
    return _granted(tuple(_words(text)))


@lru_cache(maxsize=1024)  # asked for with every token, and of thousands of people mostly the same
def _granted(words: tuple[str, ...]) -> tuple[Scope, ...]:
    found: dict[Scope, None] = {}
    for one in words:
        try:
            found[parse(one)] = None
        except ScopeError:
            continue
    return tuple(found)


def covered(scope: Scope, by: Iterable[Scope]) -> bool:
    """Whether one of `by` covers `scope`."""
    return any(one.covers(scope) for one in by)


def beyond(asked: Iterable[Scope], allowed: Iterable[Scope]) -> tuple[Scope, ...]:
    """Those of `asked` that nothing in `allowed` covers."""
    ceiling = tuple(allowed)
    return tuple(one for one in asked if not covered(one, ceiling))


def common(left: Iterable[Scope], right: Iterable[Scope]) -> tuple[Scope, ...]:
    """The widest scopes that both sides cover, without those that another of the result covers, in `left`'s order."""
    others = tuple(right)
    found = dict.fromkeys(scope for one in left for other in others if (scope := _narrower(one, other)) is not None)
    return tuple(one for one in found if not any(other != one and other.covers(one) for other in found))


def text(scopes: Iterable[Scope]) -> str:
    """The scopes as one space-separated string, the form of the `scope` claim and parameter."""
    return " ".join(str(one) for one in scopes)


def _narrower(one: Scope, other: Scope) -> Scope | None:
    if one.covers(other):
        return other
    return one if other.covers(one) else None


def _words(text: str | Iterable[str]) -> Iterable[str]:
    return text.split() if isinstance(text, str) else text


def _split(scope: str, path: str) -> tuple[tuple[str, ...], bool]:
    if path == "/":
        return (), True
    if _ESCAPE.search(path):
        raise ScopeError(f"scope {scope!r} has a % that is no escape")
    directory = path.endswith("/")
    parts = tuple(_component(scope, part) for part in path.strip("/").split("/"))
    if len(parts) != path.count("/") - directory:
        raise ScopeError(f"scope {scope!r} has an empty path component")
    return parts, directory


def _component(scope: str, escaped: str) -> str:
    try:
        part = unquote(escaped, errors="strict")
    except UnicodeDecodeError:
        raise ScopeError(f"scope {scope!r} has an escape that is not UTF-8") from None
    if part in ("", ".", "..") or any(char in _NEVER or ord(char) < 0x20 for char in part):
        raise ScopeError(f"scope {scope!r} has a path that is not normalised")
    return part
