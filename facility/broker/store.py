"""What is kept of sessions, and what a store of it can do. There are two: `secrets` (Kubernetes) and `vault`.

A store keeps two kinds of documents: a person's session, with the refresh token, and access tokens that are still good
(a person's, or a VO's own for its cache). They are apart because they are written by different rules: a session
seldom, at once, and never without comparing; tokens often, a while after they came, and it is no harm to lose them.
Every write says which version it replaces, so that of two writers one is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, Protocol

Content = dict[str, Any]


class StoreError(Exception):
    """A document could not be read or written; try again later."""


class ConflictError(StoreError):
    """The document is not at the version that was to be replaced: somebody else has written or removed it."""


class LockedError(StoreError):
    """There is a document, and what opens it may still come."""


class UnreadableError(Exception):
    """There is a document, but nobody can open it any more."""


class Kind(StrEnum):
    """What a document is."""

    SESSION = "session"
    TOKENS = "tokens"


@dataclass(frozen=True)
class Document:
    """A document's content and the version that a write has to name to replace it."""

    content: Content = field(repr=False)
    version: str


class Store(Protocol):
    """Documents by kind and owner: a hub user (`cms-alice`), or a VO's name (`cms`) for tokens of its cache.

    A document's content names its owner under `user`: one that was copied over another's is unreadable.
    """

    #: whether a document goes when its person's FacilityUser goes, whoever removes that
    follows_people: bool

    async def read(self, kind: Kind, owner: str) -> Document | None:
        """The document, None when there is none. Raises StoreError, UnreadableError."""

    async def write(self, kind: Kind, content: Content, version: str | None, uid: str | None = None) -> str:
        """Replaces `version` of the document (None: there is none yet); its new version.

        `uid` is that of the owner's FacilityUser. Raises ConflictError, StoreError.
        """

    async def delete(self, kind: Kind, owner: str) -> None:
        """Deletes a document, if there is one. Raises StoreError."""

    async def clear(self, kind: Kind, vo: str) -> None:
        """Deletes all documents of a VO. Raises StoreError."""

    def owners(self, kind: Kind, vo: str) -> AsyncIterator[str]:
        """Those of a VO who have a document. Raises StoreError."""

    async def close(self) -> None:
        """Ends what the store holds open. Never raises."""


@dataclass(frozen=True)
class Record:
    """What is kept of a session. Issuer and client are those that gave the refresh token; it is shown to no other."""

    user: str
    vo: str
    issuer: str
    client: str
    sub: str
    scopes: tuple[str, ...]
    refresh_token: str = field(repr=False)
    state: Literal["good", "dead"] = "good"
    reason: str = "SignedIn"
    #: as the issuer asserts them, and when it said so (seconds since the epoch); None: not known
    groups: tuple[str, ...] | None = None
    groups_at: float = 0.0


def to_content(record: Record) -> Content:
    """The record as a document's content."""
    return asdict(record)


def from_content(content: Content) -> Record:
    """The record in a document's content; fields that are not known any more are left out. Raises UnreadableError."""
    known = {one.name for one in fields(Record)}
    lists = {key: tuple(content[key]) for key in ("scopes", "groups") if content.get(key) is not None}
    try:
        return Record(**{**{key: value for key, value in content.items() if key in known}, **lists})
    except TypeError:
        raise UnreadableError("the stored session lacks what a session has") from None


def vo_of(owner: str) -> str:
    """The VO of an owner, who may be the VO itself: no VO has a hyphen in its name."""
    return owner.partition("-")[0]
